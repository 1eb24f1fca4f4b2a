#include "host/daemon/controller.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/daemon/log.hpp"
#include "host/ports/realtime.hpp"

namespace phalanx::daemon {

Controller::~Controller() { stop(); }

absl::StatusOr<std::unique_ptr<Controller>> Controller::create(const Settings& settings, const Clock& clock,
                                                               SideRings* rings, std::function<void()> changed) {
  auto controller = std::unique_ptr<Controller>(new Controller(clock, rings, std::move(changed)));
  if (absl::Status status = controller->open(settings); !status.ok()) return status;
  return controller;
}

absl::Status Controller::open(const Settings& settings) {
  std::vector<std::string> names;
  for (const DeviceSettings& device : settings.devices) names.push_back(device.device);
  names.push_back(settings.sync_device);
  for (const std::string& name : names) {
    auto socket = CcpSocket::open(name);
    if (!socket.ok()) return socket.status();
    sockets_.push_back(std::move(*socket));
  }
  auto links = LinkWatch::open(std::move(names));
  if (!links.ok()) return links.status();
  links_ = std::move(*links);
  LivenessOptions options{
      .member = settings.sync.member, .local = settings.sync_address, .device = settings.sync_device, .peers = {}};
  for (const PeerSettings& peer : settings.peers) options.peers.push_back({peer.id, peer.sync_address});
  auto liveness = LivenessLinks::open(options, clock_.now_ns());
  if (!liveness.ok()) return liveness.status();
  liveness_ = std::move(*liveness);
  gateway::ControlOutput* output = this;
  control_ = std::make_unique<gateway::ControlSide>(settings.control, clock_.now_ns(), output);
  return absl::OkStatus();
}

void Controller::start() {
  rings_->worker_seen_ns.store(clock_.now_ns());
  thread_ = std::thread([this] {
    if (absl::Status status = set_realtime_priority(kControlPriority); !status.ok()) {
      log::warning(absl::StrCat("reports may be late on a loaded machine: ", std::string(status.message())));
    }
    run();
  });
}

void Controller::stop() {
  stopping_.store(true);
  tasks_.wake().notify();
  if (thread_.joinable()) thread_.join();
}

void Controller::run() {
  watch_links();
  while (!stopping_.load(std::memory_order_relaxed)) {
    receive_frames();
    watch_peers();
    watch_worker();
    while (std::optional<gateway::DataEvent> event = rings_->events.pop()) {
      control_->data_event(clock_.now_ns(), *event);
    }
    tasks_.run(*this, clock_.now_ns());
    note_traffic();
    if (clock_.now_ns() >= control_->next_deadline_ns()) control_->tick(clock_.now_ns());
    sleep();
  }
  control_->leave(clock_.now_ns());
}

void Controller::sleep() {
  std::array<pollfd, cluster::kInterfacesMax + 4> fds;
  size_t count = 0;
  const auto add = [&](int fd) { fds[count++] = {.fd = fd, .events = POLLIN, .revents = 0}; };
  for (const auto& socket : sockets_) add(socket->fd());
  add(liveness_->fd());
  add(rings_->control_wake.fd());
  add(tasks_.wake().fd());
  const size_t links = count;
  add(links_->fd());
  const int64_t now_ns = clock_.now_ns();
  const int64_t until_ns = std::min({control_->next_deadline_ns(), liveness_->next_timer_ns(), now_ns + 100'000'000});
  const int64_t wait_ns = std::max<int64_t>(until_ns - now_ns, 0);
  const timespec timeout = {.tv_sec = wait_ns / 1'000'000'000, .tv_nsec = wait_ns % 1'000'000'000};
  if (ppoll(fds.data(), count, &timeout, nullptr) <= 0) return;
  rings_->control_wake.clear();
  tasks_.wake().clear();
  if (fds[links].revents != 0) watch_links();
}

void Controller::receive_frames() {
  std::array<absl::Span<const uint8_t>, kCcpBurstMax> burst;
  for (size_t i = 0; i < sockets_.size(); ++i) {
    const size_t count = sockets_[i]->receive(absl::MakeSpan(burst));
    for (size_t k = 0; k < count; ++k) {
      control_->frame(clock_.now_ns(), static_cast<cluster::InterfaceIndex>(i), burst[k]);
    }
  }
}

void Controller::watch_peers() {
  for (const LivenessEvent& event : liveness_->poll(clock_.now_ns())) {
    log::info(absl::StrCat("connection to member ", static_cast<int>(event.member),
                           event.opened ? " is up" : absl::StrCat(" ended: ", to_string(event.reason))));
    if (event.opened) {
      control_->peer_connected(clock_.now_ns(), event.member);
    } else {
      control_->peer_disconnected(clock_.now_ns(), event.member);
    }
  }
}

void Controller::watch_links() {
  for (const LinkChange& change : links_->poll()) {
    log::info(absl::StrCat("link ", sockets_[change.index]->interface(), change.up ? " is up" : " is down"));
    control_->link_changed(clock_.now_ns(), static_cast<cluster::InterfaceIndex>(change.index), change.up);
  }
}

void Controller::watch_worker() {
  const int64_t now_ns = clock_.now_ns();
  // If this thread itself has not run (the process was stopped), the worker has not either, and gets its time anew.
  if (now_ns - watched_ns_ > kWorkerTimeoutNs / 2) worker_due_ns_ = now_ns + kWorkerTimeoutNs;
  watched_ns_ = now_ns;
  const int64_t seen_ns = rings_->worker_seen_ns.load(std::memory_order_relaxed);
  const bool alive = now_ns < worker_due_ns_ || now_ns - seen_ns < kWorkerTimeoutNs;
  if (alive == worker_alive_) return;
  worker_alive_ = alive;
  log::warning(alive ? "the worker runs again" : "the worker hangs");
  control_->worker(now_ns, alive);
}

// Packets that hosts send are as good a sign that this member isn't cut off as answers to probes, and come earlier.
// What is older than the report interval says nothing about now.
void Controller::note_traffic() {
  const int64_t now_ns = clock_.now_ns();
  const int64_t fresh_ns = control_->machine().config().timers.report_interval_ns;
  for (size_t device = 0; device + 1 < sockets_.size(); ++device) {
    const int64_t heard_ns = rings_->heard_ns[device].load(std::memory_order_relaxed);
    if (heard_ns == heard_ns_[device] || now_ns - heard_ns > fresh_ns) continue;
    heard_ns_[device] = heard_ns;
    control_->host_heard(now_ns, static_cast<cluster::InterfaceIndex>(device));
  }
}

void Controller::send_control_frame(cluster::InterfaceIndex interface, absl::Span<const uint8_t> ethernet) {
  sockets_[interface]->send(ethernet);
}

void Controller::data_command(const gateway::DataCommand& command) {
  if (!rings_->commands.push(command)) rings_->overflows.fetch_add(1, std::memory_order_relaxed);
  // A renewed lease is read with the next burst; everything else is wanted now.
  if (!std::holds_alternative<cluster::RenewLease>(command)) rings_->data_wake.notify();
}

void Controller::cluster_event(const cluster::LogEvent& event) {
  log::info(describe(event));
  changed_();
}

std::string describe(const cluster::LogEvent& event) {
  std::string text =
      absl::StrCat("CLUS-", cluster::event_code(event.cause), " ", std::string(cluster::to_string(event.cause)));
  if (event.member != cluster::kNoMember) absl::StrAppend(&text, " (member ", static_cast<int>(event.member), ")");
  if (event.interface != cluster::kInterfacesMax) {
    absl::StrAppend(&text, " (interface ", static_cast<int>(event.interface), ")");
  }
  if (event.from != event.to) {
    absl::StrAppend(&text, ": ", std::string(cluster::to_string(event.from)), " -> ",
                    std::string(cluster::to_string(event.to)), ", epoch ", event.epoch);
  }
  return text;
}

}  // namespace phalanx::daemon
