// Lines of memory as the structs they are, word by word: a tool sees wires, not casts.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_WORDS_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_WORDS_HPP

#include "hls/words.hpp"
#include "kernels/abi/operation.hpp"
#include "kernels/abi/table.hpp"

namespace phalanx {
namespace session_engine {

using abi::Line;
using hls::Session;
using hls::WideNat;

inline Session session_of(const Line& a, const Line& b) {
  Session s = {};
  s.key = hls::key_from_words(a.word[0], a.word[1], a.word[2], a.word[3], a.word[4]);
  s.order = a.word[5];
  hls::set_session_status(s, a.word[6]);
  hls::set_session_rule(s, a.word[7]);
  hls::set_session_nat(s, b.word[0]);
  s.side[0] = hls::side_from_words(b.word[1], b.word[2]);
  s.side[1] = hls::side_from_words(b.word[3], b.word[4]);
  s.traffic[0] = b.word[5];
  s.traffic[1] = b.word[6];
  hls::set_session_packets(s, b.word[7]);
  return s;
}
inline Line first_line(const Session& s) {
  const Line line = {{s.key.a_hi, s.key.a_lo, s.key.b_hi, s.key.b_lo, s.key.tail, s.order, hls::session_status(s),
                      hls::session_rule(s)}};
  return line;
}
inline Line second_line(const Session& s) {
  const Line line = {{hls::session_nat(s), hls::side_ends(s.side[0]), hls::side_window(s.side[0]),
                      hls::side_ends(s.side[1]), hls::side_window(s.side[1]), s.traffic[0], s.traffic[1],
                      hls::session_packets(s)}};
  return line;
}

// abi::Operation in 12 words.
const uint32_t kOperationWords = 12;
struct OperationWords {
  uint64_t word[kOperationWords];
};
inline abi::Operation operation_of(const OperationWords& w) {
  abi::Operation o = {};
  o.opcode = static_cast<abi::Opcode>(hls::word_u8(w.word[0], 0));
  o.record = hls::word_u32(w.word[0], 32);
  o.argument = w.word[1];
  o.packet.key = hls::key_from_words(w.word[2], w.word[3], w.word[4], w.word[5], w.word[6]);
  o.packet.seq = hls::word_u32(w.word[7], 0);
  o.packet.ack = hls::word_u32(w.word[7], 32);
  o.packet.payload = hls::word_u32(w.word[8], 0);
  o.packet.bytes = hls::word_u32(w.word[8], 32);
  o.packet.window = hls::word_u16(w.word[9], 0);
  o.packet.tcp_flags = hls::word_u8(w.word[9], 16);
  o.packet.window_scale = hls::word_u8(w.word[9], 24);
  o.packet.kind = hls::word_u8(w.word[9], 32);
  o.packet.from_b = hls::word_u8(w.word[9], 40);
  o.packet.segments = hls::word_u8(w.word[9], 48);
  o.count = w.word[10];
  o.run = hls::word_u32(w.word[11], 0);
  o.record_check = hls::word_u32(w.word[11], 32);
  return o;
}

// Operation `index` begins in line 3 * index / 2, at its start or, an odd one, in its middle; either way it ends in the
// line after. `low` and `high` are these two lines.
inline uint64_t operation_line(uint32_t index) { return static_cast<uint64_t>(index) * 3 / 2; }
inline OperationWords operation_words(bool odd, const Line& low, const Line& high) {
  OperationWords w = {};
  for (uint32_t i = 0; i < kOperationWords; ++i) {
#pragma HLS unroll
    const uint32_t at = odd ? i + 4 : i;
    w.word[i] = at < 8 ? low.word[at & 7] : high.word[at & 7];
  }
  return w;
}

// Record `index` of 20 words begins in line 5 * index / 2 and ends in the second one after.
inline uint64_t record_line(uint32_t index) { return static_cast<uint64_t>(index) * 5 / 2; }
inline abi::RecordWords record_words(bool odd, const Line& low, const Line& middle, const Line& high) {
  abi::RecordWords words = {};
#pragma HLS array_partition variable = words.word complete
  for (uint32_t i = 0; i < abi::kRecordWords; ++i) {
#pragma HLS unroll
    const uint32_t at = odd ? i + 4 : i;
    words.word[i] = at < 8 ? low.word[at & 7] : at < 16 ? middle.word[at & 7] : high.word[at & 7];
  }
  return words;
}
inline abi::Record record_of(const abi::RecordWords& words) {
  Line a = {}, b = {};
  for (uint32_t i = 0; i < 8; ++i) {
#pragma HLS unroll
    a.word[i] = words.word[i];
    b.word[i] = words.word[i + 8];
  }
  abi::Record record = {};
  record.session = session_of(a, b);
  record.wide.source_hi = words.word[16];
  record.wide.source_lo = words.word[17];
  record.wide.destination_hi = words.word[18];
  record.wide.destination_lo = words.word[19];
  return record;
}

inline Line completion_line(const abi::Completion& c) {
  const hls::Rewrite& r = c.rewrite;
  Line line = {};
  line.word[0] = static_cast<uint64_t>(c.result) | static_cast<uint64_t>(c.reason) << 8 |
                 static_cast<uint64_t>(c.direction) << 16 | static_cast<uint64_t>(c.state) << 24 |
                 static_cast<uint64_t>(c.slot) << 32;
  line.word[1] = static_cast<uint64_t>(c.rule) | static_cast<uint64_t>(c.rewritten) << 16 |
                 static_cast<uint64_t>(c.changed) << 24 | static_cast<uint64_t>(c.count) << 32;
  line.word[2] = c.next;
  line.word[3] = r.source_hi;
  line.word[4] = r.source_lo;
  line.word[5] = r.destination_hi;
  line.word[6] = r.destination_lo;
  line.word[7] = static_cast<uint64_t>(r.source_port) | static_cast<uint64_t>(r.destination_port) << 16 |
                 static_cast<uint64_t>(r.source) << 32 | static_cast<uint64_t>(r.destination) << 40;
  return line;
}

// abi::TableState: nine lines. X(word, field) of its plain words; 8 to 15 are the timeouts, 40 on the stash.
#define PHALANX_TABLE_STATE_WORDS(X) \
  X(0, abi_version)                  \
  X(1, slots)                        \
  X(2, buckets)                      \
  X(3, hash_seed[0])                 \
  X(4, hash_seed[1])                 \
  X(5, half_open_max)                \
  X(6, tcp_pickup)                   \
  X(7, age_floor_ms)                 \
  X(16, error)                       \
  X(17, now_ms)                      \
  X(18, generation)                  \
  X(19, used_end)                    \
  X(20, free_slots)                  \
  X(21, wide_used_end)               \
  X(22, wide_free)                   \
  X(23, log_head)                    \
  X(24, logged)                      \
  X(25, stashed)                     \
  X(26, log_overflow)                \
  X(27, sessions)                    \
  X(28, half_open)                   \
  X(29, inserted)                    \
  X(30, deleted)                     \
  X(31, aged)                        \
  X(32, applied)                     \
  X(33, stale)                       \
  X(34, refused_full)                \
  X(35, refused_half_open)           \
  X(36, refused_exists)              \
  X(37, moves)                       \
  X(38, impossible)                  \
  X(39, run)
const uint32_t kStateLines = sizeof(abi::TableState) / sizeof(Line);
const uint32_t kTimeoutWord = 8;
const uint32_t kStashWord = 40;
static_assert(sizeof(abi::TableState) == (kStashWord + 2 * abi::kStashEntries) * 8, "the words above are all of it");

inline void load_state(const Line* memory, abi::TableState& state) {
  uint64_t word[kStateLines * 8];
#pragma HLS array_partition variable = word complete
  for (uint32_t i = 0; i < kStateLines; ++i) {
#pragma HLS pipeline II = 1
    const Line line = memory[i];
    for (uint32_t k = 0; k < 8; ++k) word[8 * i + k] = line.word[k];
  }
#define PHALANX_LOAD_WORD(at, field) state.field = word[at];
  PHALANX_TABLE_STATE_WORDS(PHALANX_LOAD_WORD)
#undef PHALANX_LOAD_WORD
  for (uint32_t i = 0; i < 8; ++i) {
#pragma HLS unroll
    state.timeout_ms[2 * i] = hls::word_u32(word[kTimeoutWord + i], 0);
    state.timeout_ms[2 * i + 1] = hls::word_u32(word[kTimeoutWord + i], 32);
  }
  for (uint32_t i = 0; i < abi::kStashEntries; ++i) {
#pragma HLS unroll
    state.stash[i].hash = word[kStashWord + 2 * i];
    state.stash[i].entry = word[kStashWord + 2 * i + 1];
  }
}

inline void store_state(const abi::TableState& state, Line* memory) {
  uint64_t word[kStateLines * 8] = {};
#pragma HLS array_partition variable = word complete
#define PHALANX_STORE_WORD(at, field) word[at] = state.field;
  PHALANX_TABLE_STATE_WORDS(PHALANX_STORE_WORD)
#undef PHALANX_STORE_WORD
  for (uint32_t i = 0; i < 8; ++i) {
#pragma HLS unroll
    word[kTimeoutWord + i] = hls::word_of(state.timeout_ms[2 * i], state.timeout_ms[2 * i + 1]);
  }
  for (uint32_t i = 0; i < abi::kStashEntries; ++i) {
#pragma HLS unroll
    word[kStashWord + 2 * i] = state.stash[i].hash;
    word[kStashWord + 2 * i + 1] = state.stash[i].entry;
  }
  for (uint32_t i = 0; i < kStateLines; ++i) {
#pragma HLS pipeline II = 1
    Line line = {};
    for (uint32_t k = 0; k < 8; ++k) line.word[k] = word[8 * i + k];
    memory[i] = line;
  }
}

// What of a state a session engine may rely on.
inline uint64_t state_error(const abi::TableState& s) {
  if (s.abi_version != abi::kAbiVersion) return abi::kTableErrorAbi;
  const bool sizes = s.slots >= 1 && s.slots <= 1ull << 30 && s.buckets >= 1 && s.buckets <= 1ull << 31;
  const bool slots = s.used_end <= s.slots && s.free_slots <= s.used_end;
  const bool log = s.log_head < s.slots && s.logged <= s.slots;
  const bool stash = s.stashed <= abi::kStashEntries;
  return sizes && slots && log && stash ? abi::kTableErrorNone : abi::kTableErrorForm;
}

}  // namespace session_engine
}  // namespace phalanx

#endif
