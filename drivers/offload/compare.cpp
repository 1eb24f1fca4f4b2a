// The card's table against the CPU engine's, all the time: what the card's memory lost or made up is found before a
// packet meets it, or soon after.
#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "drivers/offload/offload_engine.hpp"
#include "hls/nat.hpp"

namespace phalanx {

using abi::Opcode;
using abi::Result;

namespace {

// What two engines agree on once a change has been extracted. Clocks, counters, TCP windows and the marks for
// re-anchoring go on without a change being told.
struct Field {
  const char* name;
  uint64_t (*of)(const abi::Record&);
};
constexpr uint8_t kAgreedFlags = hls::kOriginatorIsB | hls::kNatMask | hls::kNatWide;
bool is_wide(const abi::Record& r) { return (r.session.flags & hls::kNatWide) != 0; }
constexpr Field kFields[] = {
    {"generation and version", [](const abi::Record& r) -> uint64_t { return r.session.order; }},
    {"state", [](const abi::Record& r) -> uint64_t { return r.session.state; }},
    {"flags", [](const abi::Record& r) -> uint64_t { return r.session.flags & kAgreedFlags; }},
    {"rule", [](const abi::Record& r) -> uint64_t { return r.session.rule; }},
    {"NAT source", [](const abi::Record& r) -> uint64_t { return is_wide(r) ? 0 : r.session.nat_source; }},
    {"NAT destination", [](const abi::Record& r) -> uint64_t { return is_wide(r) ? 0 : r.session.nat_destination; }},
    {"NAT source port", [](const abi::Record& r) -> uint64_t { return r.session.nat_source_port; }},
    {"NAT destination port", [](const abi::Record& r) -> uint64_t { return r.session.nat_destination_port; }},
    {"NAT source, high", [](const abi::Record& r) -> uint64_t { return is_wide(r) ? r.wide.source_hi : 0; }},
    {"NAT source, low", [](const abi::Record& r) -> uint64_t { return is_wide(r) ? r.wide.source_lo : 0; }},
    {"NAT destination, high", [](const abi::Record& r) -> uint64_t { return is_wide(r) ? r.wide.destination_hi : 0; }},
    {"NAT destination, low", [](const abi::Record& r) -> uint64_t { return is_wide(r) ? r.wide.destination_lo : 0; }},
};

}  // namespace

// Asks for the next slots, if nothing is on its way to the card and its change log is empty: then the two tables are
// equal as of this batch, and the CPU engine's stays so until it is answered, for answers are taken in in order.
void OffloadEngine::compare_step(int64_t now_ns) {
  if (own_in_flight_) return;
  if (compare_on_its_way_) {
    const int64_t took = now_ns - compare_since_ns_;
    if (took > kComparePromptNs) compare_at_ns_ = now_ns + kCompareShare * took;
    compare_on_its_way_ = false;
  }
  if (!all_answered() || !card_log_empty_ || now_ns < compare_at_ns_) return;
  if (compare_next_ >= slots()) compare_next_ = 0;
  own_records_.resize(kCompareSlots);
  own_completions_.resize(1);
  own_operations_.assign(1, abi::Operation{});
  own_operations_[0].opcode = Opcode::kScan;
  own_operations_[0].argument = compare_next_;
  own_operations_[0].count = std::min(kCompareSlots, slots() - compare_next_);
  (void)submit_own(OwnBatch::kCompare, {}, absl::MakeSpan(own_records_));
  if (!own_in_flight_ && card_->state() != CardState::kReady) return fail_over(card_->last_fault());
  compare_on_its_way_ = own_in_flight_;
  compare_since_ns_ = now_ns;
  compare_at_ns_ = now_ns + kCompareEveryNs;
}

void OffloadEngine::take_in_compared() {
  if (own_completions_[0].result != Result::kDone) {
    return fail_over({CardFaultKind::kImpossible, absl::StrCat("it refuses to SCAN ", own_operations_[0].count,
                                                               " slots from ", own_operations_[0].argument)});
  }
  compare_next_ += own_operations_[0].count;
  const auto records = absl::MakeConstSpan(own_records_).first(own_completions_[0].count);
  std::array<const hls::FlowKey*, kCompareSlots> keys;
  std::array<uint32_t, kCompareSlots> slots;
  for (size_t i = 0; i < records.size(); ++i) keys[i] = &records[i].session.key;
  cpu_->find_bulk(absl::MakeConstSpan(keys).first(records.size()), absl::MakeSpan(slots));
  counters_.compared += records.size();
  for (size_t i = 0; i < records.size(); ++i) {
    if (const auto what = difference(records[i], slots[i])) {
      return fail_over({CardFaultKind::kImpossible, absl::StrCat("its table differs from the gateway's: ", *what)});
    }
  }
}

// `slot` of the CPU engine has the record's key, its own or translated; SessionStore::kNone if none has.
std::optional<std::string> OffloadEngine::difference(const abi::Record& record, uint32_t slot) const {
  const bool found = slot != SessionStore::kNone && hls::same_key(cpu_->session(slot).key, record.session.key);
  if (!found) {
    if (counters_.shadow_refused != 0) return std::nullopt;  // the CPU engine may have had no room for it
    return absl::StrCat("generation ", record.session.order >> hls::kVersionBits, " has a key that it does not know");
  }
  const abi::Record known = cpu_->record(slot);
  for (const Field& field : kFields) {
    if (field.of(known) == field.of(record)) continue;
    return absl::StrCat(field.name, " ", field.of(record), " instead of ", field.of(known), " in generation ",
                        known.session.order >> hls::kVersionBits);
  }
  return std::nullopt;
}

}  // namespace phalanx
