// Second pass of EXTRACT, and all of SCAN and DIGEST: the records of a block of slots, read, chosen, and made what is
// asked for.
#ifndef PHALANX_KERNELS_STATE_DELTA_GIVE_RECORDS_HPP
#define PHALANX_KERNELS_STATE_DELTA_GIVE_RECORDS_HPP

#include "hls/delta_record.hpp"
#include "hls/digest.hpp"
#include "kernels/abi/delta.hpp"
#include "kernels/abi/operation.hpp"
#include "kernels/state_delta/pack_lines.hpp"
#include "kernels/state_delta/take_changes.hpp"

namespace phalanx {
namespace state_delta {

// FIFOs that reads of memory come out of: more than are on their way.
const int kReadsDepth = 128;

struct Request {
  uint32_t mode;
  uint32_t format;
  uint32_t now_ms;
};

// Slots to go through: `taken` (EXTRACT) or a range from `first` on.
struct Block {
  uint64_t first;
  uint32_t count;
  uint32_t room;  // records that may be given
};

struct HalfRecord {
  Line line;
  uint32_t slot;  // kNoSlot: `line` does not count
};

struct WholeRecord {
  Line a;
  Line b;
  hls::WideNat wide;
  uint32_t slot;
};

struct GivenRecord {
  Line a;
  Line b;
  hls::WideNat wide;
  bool given;
};

// What came of a block.
struct Given {
  uint32_t records;
  uint32_t freed;
  uint64_t impossible;
  uint64_t after;  // SCAN: first slot behind the last record that found room
};

// From record to record, through a whole run.
struct Encoder {
  hls::delta::Registers registers;
  hls::delta::StateContext states[hls::delta::kStateContexts];
  hls::delta::DictionaryEntry responders[hls::delta::kDictionaryEntries];
  hls::SetDigest digest;
};

inline void begin_encoder(Encoder& encoder, uint64_t base_generation) {
  encoder.registers = hls::delta::begin_registers(1);
  encoder.digest.sum = 0;
  encoder.digest.exclusive = 0;
  for (uint32_t i = 0; i < hls::delta::kStateContexts; ++i)
    encoder.states[i] = hls::delta::begin_state(base_generation);
  for (uint32_t i = 0; i < hls::delta::kDictionaryEntries; ++i) {
#pragma HLS pipeline II = 1
    const hls::delta::DictionaryEntry none = {0, 0, 0, 0, 0};
    encoder.responders[i] = none;
  }
}

// II=1.
inline void name_slots(const Request& request, const Block& block, const uint32_t* taken,
                       hls::Stream<uint32_t, 16>& for_a, hls::Stream<uint32_t, 16>& for_b) {
  for (uint32_t i = 0; i < block.count; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const uint32_t slot = request.mode == abi::kDeltaExtract ? taken[i] : static_cast<uint32_t>(block.first) + i;
    for_a.write(slot);
    for_b.write(slot);
  }
}

// First halves. EXTRACT frees the slot of an ended session as it reads it; a slot comes once in a block, so no
// iteration touches another one's line. II=1 as far as the reads on their way allow.
inline void read_first_halves(Line* session_a, const Request& request, uint32_t count, hls::Stream<uint32_t, 16>& slots,
                              hls::Stream<HalfRecord, kReadsDepth>& out) {
  for (uint32_t i = 0; i < count; ++i) {
#pragma HLS pipeline II = 1
#pragma HLS dependence variable = session_a inter false
    PHALANX_STEP(1);
    HalfRecord half = {{{0}}, slots.read()};
    if (half.slot != kNoSlot) {
      PHALANX_MEMORY_READ();
      half.line = session_a[half.slot];
    }
    const bool ended = state_of(half.line) == hls::kStateDeleted;
    if (request.mode == abi::kDeltaExtract && half.slot != kNoSlot && ended) {
      Line freed = half.line;
      freed.word[kStatusWord] &= ~kStateAndFlags;
      session_a[half.slot] = freed;
    }
    out.write(half);
  }
}

inline void read_second_halves(const Line* session_b, uint32_t count, hls::Stream<uint32_t, 16>& slots,
                               hls::Stream<Line, kReadsDepth>& out) {
  for (uint32_t i = 0; i < count; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const uint32_t slot = slots.read();
    Line line = {{0}};
    if (slot != kNoSlot) {
      PHALANX_MEMORY_READ();
      line = session_b[slot];
    }
    out.write(line);
  }
}

// Joins the halves, with the long rewrite if there is one: it lies at the session's slot.
inline void read_rewrites(const hls::WideNat* wide, uint32_t count, hls::Stream<HalfRecord, kReadsDepth>& first,
                          hls::Stream<Line, kReadsDepth>& second, hls::Stream<WholeRecord, kReadsDepth>& out) {
  for (uint32_t i = 0; i < count; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const HalfRecord half = first.read();
    WholeRecord whole = {half.line, second.read(), {0, 0, 0, 0}, half.slot};
    const uint8_t state = state_of(half.line);
    const bool is_wide = (hls::word_u8(half.line.word[kStatusWord], 40) & hls::kNatWide) != 0;
    if (half.slot != kNoSlot && is_wide && state != hls::kStateFree) {
      PHALANX_MEMORY_READ();
      whole.wide = wide[half.slot];
    }
    out.write(whole);
  }
}

// Which records are given, as they make sense outside the table (no mark, no index), and which slots are free now: in
// the log's order, those that were released while the log had them, and those of ended sessions. II=1.
inline void choose(const Request& request, const Block& block, hls::Stream<WholeRecord, kReadsDepth>& in,
                   hls::Stream<GivenRecord, 8>& out, hls::Stream<uint32_t, 16>& freed, Given& given) {
  const bool extract = request.mode == abi::kDeltaExtract;
  Given g = {0, 0, 0, block.first};
  for (uint32_t i = 0; i < block.count; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const WholeRecord whole = in.read();
    const uint8_t state = state_of(whole.a);
    const bool known = whole.slot != kNoSlot && state < hls::kStates;
    const bool ended = extract && known && state == hls::kStateDeleted;
    const bool free = ended || (extract && known && state == hls::kStateFree);
    GivenRecord record = {whole.a, whole.b, whole.wide, (ended || (known && linked(state))) && g.records < block.room};
    const bool is_wide = (hls::word_u8(whole.a.word[kStatusWord], 40) & hls::kNatWide) != 0;
    record.a.word[kStatusWord] &= ~kDirtyBit;
    record.b.word[0] = is_wide ? record.b.word[0] & ~0xffffffffull : record.b.word[0];
    g.impossible += whole.slot != kNoSlot && state >= hls::kStates ? 1 : 0;
    g.after = g.records < block.room ? block.first + i + 1 : g.after;
    g.records += record.given ? 1 : 0;
    g.freed += free ? 1 : 0;
    out.write(record);
    freed.write(free ? whole.slot : kNoSlot);
  }
  given = g;
}

inline hls::Session session_of(const GivenRecord& r) {
  hls::Session s;
  s.key = hls::key_from_words(r.a.word[0], r.a.word[1], r.a.word[2], r.a.word[3], r.a.word[4]);
  s.order = r.a.word[5];
  hls::set_session_status(s, r.a.word[6]);
  hls::set_session_rule(s, r.a.word[7]);
  hls::set_session_nat(s, r.b.word[0]);
  s.side[0] = hls::side_from_words(r.b.word[1], r.b.word[2]);
  s.side[1] = hls::side_from_words(r.b.word[3], r.b.word[4]);
  s.traffic[0] = r.b.word[5];
  s.traffic[1] = r.b.word[6];
  hls::set_session_packets(s, r.b.word[7]);
  return s;
}

// An abi::Record as it is.
inline hls::delta::PackedRecord unpacked(const GivenRecord& r) {
  hls::delta::PackedRecord out;
  for (uint32_t w = 0; w < 8; ++w) {
    out.word[w] = r.a.word[w];
    out.word[8 + w] = r.b.word[w];
  }
  out.word[16] = r.wide.source_hi;
  out.word[17] = r.wide.source_lo;
  out.word[18] = r.wide.destination_hi;
  out.word[19] = r.wide.destination_lo;
  out.word[20] = 0;
  out.length = sizeof(abi::Record);
  return out;
}

// The wire's form. II=2: whether the responder is in the dictionary decides what the next record's port is compared
// with, and that is a comparison of 152 bits behind a memory read.
inline hls::delta::PackedRecord packed(const Request& request, const GivenRecord& r, Encoder& encoder) {
  const hls::Session s = session_of(r);
  const hls::delta::Options options = {request.format == abi::kDeltaSnapshot, request.now_ms};
  const hls::delta::Parts parts = hls::delta::parts_of(s);
  const uint32_t state = s.state % hls::delta::kStateContexts;
  hls::delta::StateContext context = encoder.states[state];
  hls::delta::DictionaryEntry entry = encoder.responders[parts.index];
  const hls::delta::PieceSet pieces =
      hls::delta::encode_at_once(s, r.wide, parts, options, encoder.registers, context, entry);
  encoder.states[state] = context;
  encoder.responders[parts.index] = entry;
  return hls::delta::pack(pieces);
}

// Records to bytes, or into the digest. What is not given has no bytes.
inline void encode(const Request& request, uint32_t count, hls::Stream<GivenRecord, 8>& in,
                   hls::Stream<hls::delta::PackedRecord, 8>& out, Encoder& encoder) {
  const bool wire = request.mode != abi::kDeltaDigest && request.format != abi::kDeltaRecords;
  for (uint32_t i = 0; i < count; ++i) {
#pragma HLS pipeline II = 2
    PHALANX_STEP(wire ? 2 : 1);
    const GivenRecord record = in.read();
    hls::delta::PackedRecord bytes = {{0}, 0};
    if (record.given && request.mode == abi::kDeltaDigest) {
      encoder.digest = hls::with_member(encoder.digest, hls::session_digest(session_of(record), record.wide));
    } else if (record.given) {
      bytes = wire ? packed(request, record, encoder) : unpacked(record);
    }
    out.write(bytes);
  }
}

// II=1. No more slots can be free than were ever used: what goes beyond is dropped and counted by the caller, who sees
// it from the number.
inline void free_slots(uint32_t* free_slot, uint64_t stacked, uint64_t used_end, uint32_t count,
                       hls::Stream<uint32_t, 16>& in) {
  uint64_t at = stacked;
  for (uint32_t i = 0; i < count; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const uint32_t slot = in.read();
    if (slot != kNoSlot && at < used_end) {
      free_slot[at] = slot;
      ++at;
    }
  }
}

// The table's memory, as far as records are read.
struct TableRead {
  uint64_t free_slots;
  uint64_t used_end;
};

// One block through all stages. `packing` is where the output stands before and after.
inline void give_records(Line* session_a, const Line* session_b, const hls::WideNat* wide, uint32_t* free_slot,
                         Line* output, const Request& request, const Block& block, const TableRead& table,
                         const uint32_t* taken, Encoder& encoder, const Packing& before, Packing& after, Given& given) {
#pragma HLS dataflow
  hls::Stream<uint32_t, 16> slots_a;
  hls::Stream<uint32_t, 16> slots_b;
  hls::Stream<HalfRecord, kReadsDepth> first;
  hls::Stream<Line, kReadsDepth> second;
  hls::Stream<WholeRecord, kReadsDepth> whole;
  hls::Stream<GivenRecord, 8> chosen;
  hls::Stream<uint32_t, 16> freed;
  hls::Stream<hls::delta::PackedRecord, 8> encoded;
  hls::Stream<Part, 8> parts;
  hls::Stream<OutputLine, 16> lines;
  PHALANX_DATAFLOW_BEGIN
  PHALANX_STAGE(name_slots(request, block, taken, slots_a, slots_b));
  PHALANX_STAGE(read_first_halves(session_a, request, block.count, slots_a, first));
  PHALANX_STAGE(read_second_halves(session_b, block.count, slots_b, second));
  PHALANX_STAGE(read_rewrites(wide, block.count, first, second, whole));
  PHALANX_STAGE(choose(request, block, whole, chosen, freed, given));
  PHALANX_STAGE(encode(request, block.count, chosen, encoded, encoder));
  PHALANX_STAGE(split(block.count, before.fill, encoded, parts));
  PHALANX_STAGE(pack(block.count, before, parts, lines, after));
  PHALANX_STAGE(write_lines(output, before.lines, lines));
  PHALANX_STAGE(free_slots(free_slot, table.free_slots, table.used_end, block.count, freed));
  PHALANX_DATAFLOW_END
}

}  // namespace state_delta
}  // namespace phalanx

#endif
