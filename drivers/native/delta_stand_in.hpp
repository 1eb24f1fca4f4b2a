// EXTRACT and SCAN on a table in memory, in plain C++: until the kernel state_delta is there.
#ifndef PHALANX_DRIVERS_NATIVE_DELTA_STAND_IN_HPP
#define PHALANX_DRIVERS_NATIVE_DELTA_STAND_IN_HPP

#include "absl/types/span.h"
#include "drivers/card_table/card_table.hpp"

namespace phalanx {

// The table's memory that it works on.
struct DeltaTable {
  abi::TableState* state;
  abi::Line* session_a;
  const abi::Line* session_b;
  const hls::WideNat* wide;
  const uint32_t* change_log;
  uint32_t* free_slot;
};

abi::DeltaResult delta_stand_in(const card_table::DeltaCall& call, const DeltaTable& table,
                                absl::Span<abi::Record> output);

}  // namespace phalanx

#endif
