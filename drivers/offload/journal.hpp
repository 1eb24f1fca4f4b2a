// What the card has answered and nobody has extracted yet, so that it can be done again without the card.
#ifndef PHALANX_DRIVERS_OFFLOAD_JOURNAL_HPP
#define PHALANX_DRIVERS_OFFLOAD_JOURNAL_HPP

#include <bitset>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/abi/operation.hpp"

namespace phalanx {

// Operations that changed a session (completion.changed), and all later ones of that session, in order, until the
// change log has been read. Empty whenever the log is, and so nothing in the steady state.
class Journal {
 public:
  // A burst is 64 lookups and as many insertions, and the data plane extracts after each: 64 times that.
  static constexpr size_t kEntriesMax = 8192;

  struct Entry {
    abi::Operation operation;
    abi::Record record;       // INSERT
    uint64_t generation = 0;  // of the session: what INSERT gave it, 0 if it is older than the journal
    uint32_t slot = 0;        // on the card
  };

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  absl::Span<const Entry> entries() const { return entries_; }

  // An answered LOOKUP, INSERT or DELETE. `record`: INSERT's; `generation`: what INSERT gave.
  void note(const abi::Operation& operation, const abi::Record* record, const abi::Completion& completion,
            uint64_t generation);
  // `record` is how this session stood later than everything noted of it: those entries have no more to say.
  void forget(const abi::Record& record);
  void clear();

 private:
  static constexpr size_t kBits = 4096;  // a filter: bit slot % kBits says that a session there may have entries

  std::vector<Entry> entries_;
  std::bitset<kBits> slots_;
};

}  // namespace phalanx

#endif
