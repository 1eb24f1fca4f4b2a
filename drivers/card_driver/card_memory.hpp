// A session table's memory on a card: its buffers, and the host's copy of its state.
#ifndef PHALANX_DRIVERS_CARD_DRIVER_CARD_MEMORY_HPP
#define PHALANX_DRIVERS_CARD_DRIVER_CARD_MEMORY_HPP

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "drivers/card_driver/device.hpp"
#include "drivers/card_table/card_table.hpp"

namespace phalanx::card_driver {

// The host may write the table only while no run is on the card; that is the caller's to see to.
class CardMemory {
 public:
  // Takes the buffers and writes an empty table. `buckets`: card_table::layout().
  static absl::StatusOr<CardMemory> create(Device& device, const EngineConfig& config, uint64_t buckets = 0);

  const card_table::Layout& layout() const { return layout_; }
  // The state as it was when last read.
  const abi::TableState& state() const;
  // Reads the state back from the card; an error of a kernel, or a state that cannot be, is refused (Internal).
  absl::Status read_state();
  // Writes one of its fields, with the line that it lies in: that line must be as the card has it.
  absl::Status write_age_floor(uint64_t age_floor_ms);
  // Both read the state before.
  absl::Status advance_generation(uint64_t generation);
  absl::Status clear();

  // Sets the table's buffers as arguments of a run of session_engine or state_delta.
  absl::Status bind(Kernel kernel, Run& run);

 private:
  explicit CardMemory(const card_table::Layout& layout) : layout_(layout) {}
  abi::TableState& mutable_state();
  absl::Status allocate(Device& device);
  absl::Status zero_buckets();

  card_table::Layout layout_;
#define PHALANX_BUFFER(name, size) std::unique_ptr<Buffer> name##_;
  PHALANX_CARD_TABLE_BUFFERS(PHALANX_BUFFER)
#undef PHALANX_BUFFER
};

}  // namespace phalanx::card_driver

#endif
