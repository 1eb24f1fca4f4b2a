// What goes over ranges of the table or the change log: AGE, EXTRACT and SCAN.
#include <algorithm>

#include "drivers/cpu/cpu_engine.hpp"
#include "hls/timeouts.hpp"

namespace phalanx {
namespace {

using abi::Result;

// Changed records lie anywhere; 16 ahead hide the access, at some 10 ns a copy.
constexpr uint64_t kExtractAhead = 16;

bool linked(const hls::Session& session) {
  return session.state != hls::kStateFree && session.state != hls::kStateDeleted;
}

// Slots [argument, end) of an operation, cut at those ever used.
uint64_t range_end(const abi::Operation& operation, uint64_t used_end) {
  if (operation.argument >= used_end) return operation.argument;
  return operation.count > used_end - operation.argument ? used_end : operation.argument + operation.count;
}

}  // namespace

void CpuEngine::age(const abi::Operation& operation, abi::Completion& completion) {
  if (operation.argument > store_.capacity()) return;  // kInvalid
  const uint64_t end = range_end(operation, store_.used_end());
  for (uint64_t i = operation.argument; i < end; ++i) {
    const auto slot = static_cast<uint32_t>(i);
    const hls::Session& session = store_[slot];
    if (!linked(session)) continue;
    if (!hls::timed_out(config_.timeouts, session.state, session.last_seen, age_floor_ms_, now_ms_)) continue;
    end_session(slot);
    ++counters_.aged;
    ++completion.count;
  }
  completion.result = Result::kDone;
  completion.changed = completion.count != 0 ? 1 : 0;
  completion.next = end >= store_.used_end() ? 0 : end;
}

// Out of the change log into `output`, as far as there is room.
void CpuEngine::extract(const abi::Operation& operation, absl::Span<abi::Record> output, abi::Completion& completion) {
  const uint64_t room = std::min<uint64_t>(operation.count, output.size());
  for (uint64_t i = 0; i < std::min(room, kExtractAhead); ++i) store_.prefetch_change(i);
  while (completion.count < room) {
    store_.prefetch_change(kExtractAhead);
    const uint32_t slot = store_.take_change();
    if (slot == kNone) break;
    give(slot, output[completion.count++]);
    if (store_[slot].state == hls::kStateDeleted) release(slot);
  }
  output_used_ += completion.count;
  completion.result = Result::kDone;
  completion.next = store_.changes();
}

void CpuEngine::scan(const abi::Operation& operation, absl::Span<abi::Record> output, abi::Completion& completion) {
  if (operation.argument > store_.capacity() || output.empty()) return;  // kInvalid
  const uint64_t end = range_end(operation, store_.used_end());
  uint64_t i = operation.argument;
  for (; i < end && completion.count < output.size(); ++i) {
    const auto slot = static_cast<uint32_t>(i);
    if (linked(store_[slot])) give(slot, output[completion.count++]);
  }
  output_used_ += completion.count;
  completion.result = Result::kDone;
  completion.next = i >= store_.used_end() ? 0 : i;
}

// A copy that makes sense outside this table: no log mark, and no index into the side pool.
abi::Record CpuEngine::record(uint32_t slot) const {
  abi::Record record;
  give(slot, record);
  return record;
}

void CpuEngine::give(uint32_t slot, abi::Record& record) const {
  record.session = store_[slot];
  record.wide = wide_of(record.session);
  record.session.flags = static_cast<uint8_t>(record.session.flags & ~hls::kDirty);
  if ((record.session.flags & hls::kNatWide) != 0) record.session.nat_source = 0;
}

}  // namespace phalanx
