// First half of the lookup pipeline, fetch to compare: which session a packet belongs to, as memory has it. Nothing
// here depends on what the lookups before did, so no stage has to look back.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_FIND_SESSION_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_FIND_SESSION_HPP

#include "hls/nat_circuit.hpp"
#include "hls/track_types.hpp"
#include "kernels/session_engine/index.hpp"
#include "kernels/session_engine/tokens.hpp"

namespace phalanx {
namespace session_engine {

// What a stretch needs to know of the table.
struct LookupConfig {
  uint64_t hash_seed[2];
  uint64_t buckets;
  uint64_t slots;
  uint64_t used_end;
  uint64_t log_head;
  uint64_t logged;
  uint32_t now_ms;
  uint32_t age_floor_ms;
  hls::TrackConfig track;
  uint32_t stashed;
  abi::StashEntry stash[abi::kStashEntries];
};

// What it changes there.
struct LookupCounts {
  uint32_t lookups;
  uint64_t logged;
  uint64_t log_overflow;
  uint64_t bad_entries;   // that lead to no slot
  uint64_t bad_sessions;  // records that cannot be
  uint64_t half_open;     // to be added; may be a negative number's complement
};

// Operations from `first` on, as far as they are LOOKUPs. Two operations are three lines, so two of them every three
// cycles; bursts keep the memory ahead.
inline void fetch(const Line* operations, uint32_t first, uint32_t count, RequestFifo& out, uint32_t& lookups) {
  Line carried = {};
  uint32_t index = first;
  bool more = true;
  Request request = {};
  if ((first & 1) != 0) {
    PHALANX_STEP(1);
    carried = operations[operation_line(first)];
  }
  for (uint32_t i = first; i < count && more; ++i) {
#pragma HLS pipeline II = 2
    const bool odd = (i & 1) != 0;
    PHALANX_STEP(odd ? 1 : 2);
    if (((i - first) & (kBurst / 2 - 1)) == 0) PHALANX_MEMORY_READ();
    const uint64_t line = operation_line(i);
    const Line low = odd ? carried : operations[line];
    const Line high = operations[line + 1];
    carried = high;
    const abi::Operation operation = operation_of(operation_words(odd, low, high));
    more = operation.opcode == abi::Opcode::kLookup;
    if (!more) continue;
    request.token = Token::kWork;
    request.packet = operation.packet;
    out.write(request);
    index = i + 1;
  }
  request.token = Token::kEnd;
  out.write(request);
  lookups = index - first;
}

inline void hash(const LookupConfig& config, RequestFifo& in, HashedFifo& out, AddressFifo& first,
                 AddressFifo& second) {
  for (uint64_t i = 0; i < kTokensMax; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const Request request = in.read();
    const uint64_t h = hls::hash_key(request.packet.key, config.hash_seed[0], config.hash_seed[1]);
    const bool end = request.token == Token::kEnd;
    const Hashed hashed = {request.token, request.packet, h};
    const Address to_first = {end, first_bucket(h, config.buckets)};
    const Address to_second = {end, second_bucket(h, config.buckets)};
    out.write(hashed);
    first.write(to_first);
    second.write(to_second);
    if (end) break;
  }
}

// Issues the reads of an address stream; the lines come back in order, and the tool keeps as many under way as the port
// allows.
inline void read_lines(const Line* memory, AddressFifo& in, LineFifo& out) {
  for (uint64_t i = 0; i < kTokensMax; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const Address address = in.read();
    if (address.end) break;
    PHALANX_MEMORY_READ();
    out.write(memory[address.at]);
  }
}
inline void read_wides(const WideNat* memory, AddressFifo& in, WideFifo& out) {
  for (uint64_t i = 0; i < kTokensMax; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const Address address = in.read();
    if (address.end) break;
    PHALANX_MEMORY_READ();
    out.write(memory[address.at]);
  }
}

// Which entries of the two buckets and of the stash may be the lookup's.
inline void match_tags(const LookupConfig& config, HashedFifo& in, LineFifo& first, LineFifo& second,
                       Stream<Candidates, kShortFifo>& out, uint64_t& bad_entries) {
  uint64_t bad = 0;
  for (uint64_t i = 0; i < kTokensMax; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const Hashed hashed = in.read();
    Candidates c = {};
    c.token = hashed.token;
    c.packet = hashed.packet;
    if (hashed.token == Token::kEnd) {
      out.write(c);
      break;
    }
    const Bucket near = first.read();
    const Bucket far = second.read();
    const uint32_t tags = tag_matches(near, hashed.hash) | tag_matches(far, hashed.hash) << kWays;
    for (uint32_t k = 0; k < static_cast<uint32_t>(kCandidates); ++k) {
#pragma HLS unroll
      const uint32_t s = k < 2 * kWays ? 0 : k - 2 * kWays;
      const uint64_t entry = k < kWays       ? near.word[k & (kWays - 1)]
                             : k < 2 * kWays ? far.word[k & (kWays - 1)]
                                             : config.stash[s].entry;
      const bool stashed = k >= 2 * kWays && s < config.stashed && config.stash[s].hash == hashed.hash;
      const bool hit = k < 2 * kWays ? (tags >> k & 1) != 0 : stashed;
      const bool leads = abi::entry_slot(entry) < config.used_end;
      c.slot[k] = abi::entry_slot(entry);
      c.mask |= (hit && leads ? 1u : 0u) << k;
      bad += hit && !leads ? 1 : 0;
    }
    out.write(c);
  }
  bad_entries = bad;
}

inline uint32_t lowest_bit(uint32_t mask) {
  uint32_t bit = 0;
  for (uint32_t i = kCandidates; i > 0; --i) {
#pragma HLS unroll
    if ((mask >> (i - 1) & 1) != 0) bit = i - 1;
  }
  return bit;
}

// A candidate a cycle; nearly every lookup has one or none. The only thing carried from cycle to cycle is the mask of
// those left.
inline void spread(Stream<Candidates, kShortFifo>& in, CandidateFifo& out, AddressFifo& a, AddressFifo& b,
                   AddressFifo& wide) {
  Candidates c = {};
  uint32_t left = 0;
  const Address end = {true, 0};
  for (uint64_t i = 0; i < kTokensMax; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    if (left == 0) {
      c = in.read();
      left = c.mask;
    }
    const uint32_t slot = c.slot[lowest_bit(left)];
    const bool present = left != 0;
    left &= left - 1;
    const Candidate candidate = {c.token, present, left == 0, slot, c.packet};
    out.write(candidate);
    if (c.token == Token::kEnd) break;
    if (!present) continue;
    const Address address = {false, slot};
    a.write(address);
    b.write(address);
    if (hls::family(c.packet.key) == 6) wide.write(address);
  }
  a.write(end);
  b.write(end);
  wide.write(end);
}

// The candidate whose session the packet belongs to, if any. A record that cannot be behind an index entry counts and
// is passed by.
inline void compare(CandidateFifo& in, LineFifo& a, LineFifo& b, WideFifo& wide, WorkFifo& out,
                    uint64_t& bad_sessions) {
  uint64_t bad = 0;
  Work work = {};
  for (uint64_t i = 0; i < kTokensMax; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const Candidate c = in.read();
    work.token = c.token;
    work.packet = c.packet;
    if (c.token == Token::kEnd) {
      work.matched = false;
      out.write(work);
      break;
    }
    if (c.present) {
      const WideNat none = {};
      const Line line_a = a.read();
      const Line line_b = b.read();
      const WideNat long_rewrite = hls::family(c.packet.key) == 6 ? wide.read() : none;
      const Session session = session_of(line_a, line_b);
      const WideNat own = (session.flags & hls::kNatWide) != 0 ? long_rewrite : none;
      const bool sound = linked(session.state) && well_formed(session);
      const hls::Match match = hls::match_direction_at_once(session, own, c.packet);
      bad += sound ? 0 : 1;
      if (sound && match.matched && !work.matched) {
        work.matched = true;
        work.direction = match.direction;
        work.slot = c.slot;
        work.session = session;
        work.wide = own;
      }
    }
    if (!c.last) continue;
    out.write(work);
    work.matched = false;
  }
  bad_sessions = bad;
}

}  // namespace session_engine
}  // namespace phalanx

#endif
