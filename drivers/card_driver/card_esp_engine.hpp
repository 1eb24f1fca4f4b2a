// ESP on a card: an EspEngine over any Device, on all of its esp_crypto units.
//
// An SA belongs to one unit (its index modulo the units), which has it in a table of its own: so packets of one SA stay
// in order and see each other's sequence numbers, and units never share a line. A batch is cut into runs of at most
// kRunJobs jobs, each spread over the units; a run begins when all units have ended the one before.
#ifndef PHALANX_DRIVERS_CARD_DRIVER_CARD_ESP_ENGINE_HPP
#define PHALANX_DRIVERS_CARD_DRIVER_CARD_ESP_ENGINE_HPP

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "drivers/card_driver/device.hpp"
#include "drivers/crypto.hpp"

namespace phalanx::card_driver {

struct CardEspConfig {
  uint32_t sa_max = 4096;
  std::chrono::milliseconds run_limit{2000};  // a run that takes longer is hung, and the card given up
};

class CardEspEngine final : public EspEngine {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  // 256 jumbo packets are 2.3 MB, some 0.2 ms at 100 Gb/s.
  static constexpr uint32_t kRunJobs = 256;
  // The longest packet in lines; a job that says more is refused by the kernel for its length, which no more is copied
  // of.
  static constexpr uint32_t kPacketLinesMax =
      (abi::kEspPlaintextBytesMax + abi::kEspOverheadBytes + sizeof(abi::Line) - 1) / sizeof(abi::Line);
  static constexpr size_t kBatchesInFlightMax = 16;

  // Takes the card's memory, with no SA installed. Errors of the device as they are.
  static absl::StatusOr<std::unique_ptr<CardEspEngine>> create(std::shared_ptr<Device> device,
                                                               const CardEspConfig& config,
                                                               Clock clock = std::chrono::steady_clock::now);
  ~CardEspEngine() override;

  std::string name() const override;
  uint32_t sa_max() const override { return config_.sa_max; }
  absl::Status install(uint32_t index, const abi::EspSa& sa) override;
  absl::Status remove(uint32_t index) override;
  absl::StatusOr<abi::EspSa> read(uint32_t index) override;
  // Once the card has failed, what it failed of, for ever.
  absl::Status submit(const EspBatch& batch) override;
  size_t poll(absl::Span<uint64_t> tags) override;

  // As CardDriver::health().
  absl::Status health() const { return health_; }

 private:
  struct Unit {
    std::unique_ptr<Run> run;
    std::unique_ptr<Buffer> jobs, input, output, results, sa_table;
    std::vector<size_t> origins;  // of each of its jobs in the batch
    uint32_t lines_in = 0, lines_out = 0;
    bool running = false;
  };
  struct Flight {
    EspBatch batch;
    size_t next = 0;  // first job of the run at work, or past the last
    size_t end = 0;   // past that run's last
  };

  CardEspEngine(std::shared_ptr<Device> device, const CardEspConfig& config, Clock clock)
      : device_(std::move(device)), config_(config), clock_(std::move(clock)) {}
  absl::Status make_unit(uint32_t number);
  absl::StatusOr<abi::EspSa*> host_sa(uint32_t index);
  absl::Status idle() const;
  void advance();
  absl::Status step(bool& moved);
  absl::Status start(Flight& flight);
  void pack(Unit& unit, const EspBatch& batch, size_t job);
  absl::Status start_unit(Unit& unit);
  absl::StatusOr<bool> all_done();
  absl::Status finish(Unit& unit, const EspBatch& batch);
  absl::Status note(const absl::Status& status);

  std::shared_ptr<Device> device_;
  const CardEspConfig config_;
  const Clock clock_;
  std::vector<Unit> units_;
  uint32_t unit_sas_ = 0;  // of each unit's table
  std::deque<Flight> flights_;
  std::vector<uint64_t> done_;
  bool running_ = false;
  std::chrono::steady_clock::time_point started_{};
  absl::Status health_;
};

}  // namespace phalanx::card_driver

#endif
