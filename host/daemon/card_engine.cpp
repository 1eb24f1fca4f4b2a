#include "host/daemon/card_engine.hpp"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "drivers/emulator/environment.hpp"

namespace phalanx::daemon {
namespace {

constexpr char kEmulated[] = "emulated";
// Of run directories; the daemon's pid follows.
constexpr char kPrefix[] = "phalanx-card.";
// Where a real card's XRT is, by its own documentation.
constexpr char kSystemXrt[] = "/opt/xilinx/xrt";

std::string variable(const std::string& name, const std::string& value) { return absl::StrCat(name, "=", value); }

}  // namespace

// A daemon that was killed could not remove its own: whoever starts next does.
void RunDirectory::remove_of_the_dead(const std::filesystem::path& parent) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    int32_t pid = 0;
    const absl::string_view rest = absl::StripPrefix(name, kPrefix);
    if (rest.size() == name.size() || !absl::SimpleAtoi(rest.substr(0, rest.find('.')), &pid) || pid <= 0) continue;
    if (kill(pid, 0) == 0 || errno != ESRCH) continue;
    emulator::remove_leftovers(entry.path().string());
    std::filesystem::remove_all(entry.path(), error);
  }
}

absl::StatusOr<std::unique_ptr<RunDirectory>> RunDirectory::create() {
  const std::filesystem::path parent = std::filesystem::temp_directory_path();
  remove_of_the_dead(parent);
  std::string path = (parent / absl::StrCat(kPrefix, getpid(), ".XXXXXX")).string();
  if (mkdtemp(path.data()) == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", path));
  return std::unique_ptr<RunDirectory>(new RunDirectory(path));
}

RunDirectory::~RunDirectory() {
  emulator::remove_leftovers(path_);
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

absl::StatusOr<std::string> card_program() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path folder = self.parent_path();
  const std::filesystem::path places[] = {folder / "phalanx-card", folder / "../../drivers/card/phalanx-card"};
  for (const std::filesystem::path& place : places) {
    if (access(place.c_str(), X_OK) == 0) return std::filesystem::canonical(place, error).string();
  }
  return absl::NotFoundError(absl::StrCat("engine.card: no phalanx-card beside ", self.string()));
}

absl::StatusOr<std::vector<std::string>> card_arguments(const v1::Card& card) {
  auto program = card_program();
  if (!program.ok()) return program.status();
  std::vector<std::string> arguments = {*std::move(program),
                                        "--driver",
                                        card.driver() == v1::CARD_DRIVER_OPENCL ? "opencl" : "xrt",
                                        "--xclbin",
                                        card.bitstream(),
                                        "--device",
                                        card.device() == kEmulated ? "0" : card.device()};
  if (!card.trusted_keys().empty()) {
    arguments.push_back("--trusted-keys");
    arguments.push_back(card.trusted_keys());
  }
  if (card.allow_unsigned()) arguments.push_back("--allow-unsigned");
  return arguments;
}

absl::StatusOr<std::vector<std::string>> card_environment(const v1::Card& card, const std::string& run_directory) {
  std::vector<std::string> result = {variable("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
                                     variable("HOME", run_directory)};
  if (card.device() != kEmulated) {
    const char* const set = getenv("XILINX_XRT");
    const std::string xrt = set != nullptr ? set : kSystemXrt;
    result.push_back(variable("XILINX_XRT", xrt));
    result.push_back(variable("LD_LIBRARY_PATH", xrt + "/lib"));
    return result;
  }
  const auto emulation = emulator::emulation_environment(card.emulation(), run_directory);
  if (!emulation.ok()) {
    return absl::Status(emulation.status().code(),
                        absl::StrCat("engine.card.emulation: ", emulation.status().message()));
  }
  for (const auto& [name, value] : *emulation) result.push_back(variable(name, value));
  return result;
}

absl::StatusOr<std::unique_ptr<CardEngine>> CardEngine::create(const EngineConfig& config, const v1::Card& card) {
  auto directory = RunDirectory::create();
  if (!directory.ok()) return directory.status();
  auto arguments = card_arguments(card);
  if (!arguments.ok()) return arguments.status();
  auto environment = card_environment(card, (*directory)->path());
  if (!environment.ok()) return environment.status();
  CardClientOptions client;
  client.config = config;
  client.argv = *std::move(arguments);
  client.environment = *std::move(environment);
  client.batch_limit_ns = int64_t{card.batch_limit_ms()} * 1'000'000;
  auto engine = std::unique_ptr<CardEngine>(new CardEngine(card, *std::move(directory)));
  auto cpu = CpuEngine::create(config);
  if (!cpu.ok()) return cpu.status();
  engine->cpu_ = *std::move(cpu);
  auto made = CardClient::create(std::move(client));
  if (!made.ok()) return made.status();
  engine->client_ = *std::move(made);
  auto offload = OffloadEngine::create({.config = config}, engine->client_.get(), engine->cpu_.get());
  if (!offload.ok()) return offload.status();
  engine->offload_ = *std::move(offload);
  engine->told_ = engine->status();
  return engine;
}

CardEngine::~CardEngine() = default;

void CardEngine::use_card() {
  client_->start();
  offload_->move_to_card();
}

bool CardEngine::fit() const {
  return card_.on_failure() != v1::CARD_FAILURE_FAIL_OVER || !offload_->status().degraded;
}

std::optional<std::string> CardEngine::tend(int64_t now_ns) {
  offload_->poll_moves(now_ns);
  const OffloadStatus now = offload_->status();
  const bool same = now.state == told_.state && now.card == told_.card && now.degraded == told_.degraded;
  if (same) return std::nullopt;
  told_ = now;
  std::string text =
      absl::StrCat("card ", card_.device(), ": ", card_state_text(now.card), "; ", offload_state_text(now.state));
  if (now.degraded || now.card == CardState::kFaulted) absl::StrAppend(&text, "; ", now.last_fault.text());
  return text;
}

}  // namespace phalanx::daemon
