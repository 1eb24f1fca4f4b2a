// A batch with the memory that it refers to.
#ifndef PHALANX_TESTS_HARDWARE_OWNED_BATCH_HPP
#define PHALANX_TESTS_HARDWARE_OWNED_BATCH_HPP

#include <vector>

#include "drivers/accelerator.hpp"

namespace phalanx::testing {

// What a batch refers to, kept until it is done.
struct OwnedBatch {
  uint64_t tag = 0;
  uint32_t now_ms = 0;
  std::vector<abi::Operation> operations;
  std::vector<abi::Record> records;
  std::vector<abi::Completion> completions;
  std::vector<abi::Record> output;

  Batch view() {
    completions.assign(operations.size(), abi::Completion{});
    return {tag, now_ms, operations, records, absl::MakeSpan(completions), absl::MakeSpan(output)};
  }
};

}  // namespace phalanx::testing

#endif
