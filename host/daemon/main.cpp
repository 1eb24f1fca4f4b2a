// phalanxd: one member of a cluster.
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "host/daemon/controller.hpp"
#include "host/daemon/full_sync_hub.hpp"
#include "host/daemon/log.hpp"
#include "host/daemon/member_control.hpp"
#include "host/daemon/route_feed.hpp"
#include "host/daemon/views.hpp"
#include "host/daemon/worker.hpp"
#include "mgmt/config/config.hpp"
#include "mgmt/service/server.hpp"

namespace phalanx::daemon {
namespace {

// How long a member that is told to stop waits for another to take the active role from it.
constexpr absl::Duration kHandoverWait = absl::Seconds(3);

int fail(const absl::Status& status) {
  std::fprintf(stderr, "phalanxd: %s\n", std::string(status.message()).c_str());
  return 1;
}

int wait_for_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  int signal = 0;
  sigwait(&set, &signal);
  return signal;
}

void block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

// A stop on purpose costs no packet: the role is handed over first, if there is somebody to take it.
void hand_over(MemberControl& control) {
  const auto status = control.cluster_status();
  const bool active = status.ok() && (status->state() == v1::MEMBER_STATE_ACTIVE ||
                                      status->state() == v1::MEMBER_STATE_ACTIVE_ATTENTION);
  if (!active || !control.failover({}).ok()) return;
  const absl::Time deadline = absl::Now() + kHandoverWait;
  while (absl::Now() < deadline) {
    const auto now = control.cluster_status();
    if (!now.ok() || now->state() == v1::MEMBER_STATE_STANDBY) return;
    absl::SleepFor(absl::Milliseconds(20));
  }
}

int run(Settings settings) {
  block_signals();  // before any thread is made
  log::set_up(settings.config.member().name(), settings.config.log().level());
  if (absl::Status status = complete_settings(settings); !status.ok()) return fail(status);
  const Clock clock;
  SideRings rings;
  FullSyncHub hub(settings);
  auto worker = Worker::create(settings, clock, &rings, &hub);
  if (!worker.ok()) return fail(worker.status());
  hub.attach(worker->get());
  MemberControl control(settings, clock, worker->get(), &hub);
  auto controller = Controller::create(settings, clock, &rings, [&control] { control.notify(); });
  if (!controller.ok()) return fail(controller.status());
  control.attach(controller->get());
  (*worker)->start();
  (*controller)->start();
  auto routes = RouteFeed::start(settings, worker->get());
  if (!routes.ok()) return fail(routes.status());
  auto server = mgmt::Server::start(settings.config, control);
  if (!server.ok()) return fail(server.status());
  log::info(absl::StrCat("phalanxd ", kVersion, " runs as member ", settings.config.member().id()));

  log::info(absl::StrCat("stopping: ", std::string(strsignal(wait_for_signal()))));
  hand_over(control);
  (*server)->shutdown();
  control.stop();
  routes->reset();
  hub.stop();
  (*controller)->stop();
  (*worker)->stop();
  return 0;
}

}  // namespace
}  // namespace phalanx::daemon

int main(int argc, char** argv) {
  using namespace phalanx;
  CLI::App app{"phalanxd: one member of a Phalanx cluster of security gateways"};
  std::string config_file;
  std::string check_file;
  app.add_option("--config", config_file, "configuration file (YAML)");
  app.add_option("--check", check_file, "check a configuration file, say what is wrong with it, and end");
  app.set_version_flag("--version", daemon::kVersion);
  CLI11_PARSE(app, argc, argv);
  if (config_file.empty() == check_file.empty()) {
    std::fprintf(stderr, "phalanxd: give either --config FILE or --check FILE\n");
    return 2;
  }
  const std::string& file = config_file.empty() ? check_file : config_file;
  const auto config = mgmt::load_config(file);
  if (!config.ok()) return daemon::fail(config.status());
  auto settings = daemon::make_settings(*config);
  if (!settings.ok())
    return daemon::fail(
        absl::Status(settings.status().code(), absl::StrCat(file, ": ", std::string(settings.status().message()))));
  if (!check_file.empty()) {
    std::printf("%s: ok\n", file.c_str());
    return 0;
  }
  return daemon::run(std::move(*settings));
}
