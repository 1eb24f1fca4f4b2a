#include "drivers/native/delta_stand_in.hpp"

#include <algorithm>

#include "kernels/session_engine/words.hpp"

namespace phalanx {
namespace {

hls::Session session_at(const DeltaTable& table, uint32_t slot) {
  return session_engine::session_of(table.session_a[slot], table.session_b[slot]);
}

abi::Record record_at(const DeltaTable& table, uint32_t slot) {
  abi::Record record = {};
  record.session = session_at(table, slot);
  record.session.flags = static_cast<uint8_t>(record.session.flags & ~hls::kDirty);
  if ((record.session.flags & hls::kNatWide) == 0) return record;
  record.wide = table.wide[slot];
  record.session.nat_source = 0;
  return record;
}

abi::DeltaResult extract(const card_table::DeltaCall& call, const DeltaTable& table, absl::Span<abi::Record> output) {
  abi::DeltaResult result = {};
  abi::TableState& state = *table.state;
  while (result.records < call.count && state.logged != 0) {
    const uint32_t slot = table.change_log[state.log_head];
    state.log_head = (state.log_head + 1) % state.slots;
    --state.logged;
    hls::Session session = session_at(table, slot);
    session.flags = static_cast<uint8_t>(session.flags & ~hls::kDirty);
    const bool ended = session.state == hls::kStateFree || session.state == hls::kStateDeleted;
    if (session.state != hls::kStateFree) output[result.records++] = record_at(table, slot);
    if (ended) {
      session.state = hls::kStateFree;
      session.flags = 0;
      table.free_slot[state.free_slots++] = slot;
      ++result.freed;
    }
    table.session_a[slot] = session_engine::first_line(session);
  }
  result.next = state.logged;
  return result;
}

abi::DeltaResult scan(const card_table::DeltaCall& call, const DeltaTable& table, absl::Span<abi::Record> output) {
  abi::DeltaResult result = {};
  const uint64_t used_end = table.state->used_end;
  const uint64_t end = call.count > used_end - call.first ? used_end : call.first + call.count;
  uint64_t slot = call.first;
  for (; slot < end && result.records < call.room; ++slot) {
    const uint8_t state = session_at(table, static_cast<uint32_t>(slot)).state;
    if (state == hls::kStateFree || state == hls::kStateDeleted) continue;
    output[result.records++] = record_at(table, static_cast<uint32_t>(slot));
  }
  result.next = slot >= used_end ? 0 : slot;
  return result;
}

}  // namespace

abi::DeltaResult delta_stand_in(const card_table::DeltaCall& call, const DeltaTable& table,
                                absl::Span<abi::Record> output) {
  return call.mode == abi::kDeltaExtract ? extract(call, table, output) : scan(call, table, output);
}

}  // namespace phalanx
