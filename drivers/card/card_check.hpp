// Whether what came from the card can be: ranges of every field, results that the operation can have.
#ifndef PHALANX_DRIVERS_CARD_CARD_CHECK_HPP
#define PHALANX_DRIVERS_CARD_CARD_CHECK_HPP

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/abi/operation.hpp"

namespace phalanx::card {

// What is wrong with the answer to `operation` on a table of `slots` slots, nothing if it can be. `room`: records of
// output that the operation could fill.
std::optional<std::string> check_completion(const abi::Operation& operation, const abi::Completion& completion,
                                            uint64_t slots, uint64_t room);

// What is wrong with a record that EXTRACT or SCAN gave.
std::optional<std::string> check_record(abi::Opcode opcode, const abi::Record& record);

// The common case at a glance: false means that check_completion() has to look. Branchless but for the result.
inline bool plainly_a_lookup(const abi::Completion& completion, uint64_t slots) {
  const uint32_t bits = completion.direction | completion.rewritten | completion.changed;
  const bool enums = static_cast<uint8_t>(completion.result) <= static_cast<uint8_t>(abi::Result::kDrop) &&
                     static_cast<uint8_t>(completion.reason) < static_cast<uint8_t>(abi::TrackReason::kCount) &&
                     completion.state < hls::kStates;
  const bool sides = completion.rewrite.source <= 1 && completion.rewrite.destination <= 1;
  return enums && sides && bits <= 1 && completion.slot < slots && completion.count == 0 && completion.next == 0;
}

}  // namespace phalanx::card

#endif
