// The session engine of a member with a card: a card behind its process, shadowed by the CPU engine (drivers/offload).
#ifndef PHALANX_HOST_DAEMON_CARD_ENGINE_HPP
#define PHALANX_HOST_DAEMON_CARD_ENGINE_HPP

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "drivers/card/card_client.hpp"
#include "drivers/cpu/cpu_engine.hpp"
#include "drivers/offload/offload_engine.hpp"
#include "host/daemon/settings.hpp"

namespace phalanx::daemon {

// A folder of its own for the card's process, removed with what is in it.
class RunDirectory {
 public:
  // In the system's temporary folder.
  static absl::StatusOr<std::unique_ptr<RunDirectory>> create();
  // Removes those of processes that are no more.
  static void remove_of_the_dead(const std::filesystem::path& parent);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// One thread: the worker's, which owns it.
class CardEngine final : public Accelerator {
 public:
  // Starts no process yet: tend() does. Errors name what of the card's settings is wrong.
  static absl::StatusOr<std::unique_ptr<CardEngine>> create(const EngineConfig& config, const v1::Card& card);
  ~CardEngine() override;

  std::string name() const override { return offload_->name(); }
  uint64_t slots() const override { return offload_->slots(); }
  size_t batches_ahead() const override { return offload_->batches_ahead(); }
  absl::Status submit(const Batch& batch) override { return offload_->submit(batch); }
  size_t poll(absl::Span<uint64_t> tags) override { return offload_->poll(tags); }
  EngineCounters counters() const override { return offload_->counters(); }
  void advance_generation(uint64_t generation) override { offload_->advance_generation(generation); }
  uint64_t generation() const override { return offload_->generation(); }
  void set_age_floor(uint32_t now_ms) override { offload_->set_age_floor(now_ms); }
  void clear() override { offload_->clear(); }

  // Every millisecond or so, between batches. A line for the log when the engine in use or the card's state has
  // changed.
  std::optional<std::string> tend(int64_t now_ns);
  // Whether the member is as fit as one whose card works, by `on_failure`.
  bool fit() const;

  OffloadStatus status() const { return offload_->status(); }
  const CardClientCounters& client_counters() const { return client_->client_counters(); }
  // For management: sessions leave the card, and its process ends; later it is started anew, with the bitstream that
  // is then in place, and sessions go back.
  void release_card() { offload_->move_to_cpu(); }
  bool card_released() const { return status().state == OffloadState::kCpu; }
  // Does not wait: card_stopped() says when the process has ended.
  void stop_card() { client_->begin_stop(); }
  bool card_stopped() const { return client_->process_id() == 0; }
  // The latest of the card's process; kNone if there never was one.
  const CardFault& card_fault() const { return client_->last_fault(); }
  void use_card();

 private:
  CardEngine(const v1::Card& card, std::unique_ptr<RunDirectory> directory)
      : card_(card), directory_(std::move(directory)) {}

  const v1::Card card_;
  std::unique_ptr<RunDirectory> directory_;
  std::unique_ptr<CpuEngine> cpu_;
  std::unique_ptr<CardClient> client_;
  std::unique_ptr<OffloadEngine> offload_;
  OffloadStatus told_;
};

// The environment of a process that uses the card `card`: the emulated one's, or the system's XRT.
absl::StatusOr<std::vector<std::string>> card_environment(const v1::Card& card, const std::string& run_directory);
// The program phalanx-card that belongs to this daemon: beside it, or where the build has it.
absl::StatusOr<std::string> card_program();
// Arguments of phalanx-card for this card, the program first.
absl::StatusOr<std::vector<std::string>> card_arguments(const v1::Card& card);

}  // namespace phalanx::daemon

#endif
