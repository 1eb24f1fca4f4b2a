// The digest of a session: 64 bits over what delta sync replicates, so that two members can compare tables.
#ifndef PHALANX_HLS_DIGEST_HPP
#define PHALANX_HLS_DIGEST_HPP

#include "hls/delta_layout.hpp"

namespace phalanx {
namespace hls {

// The finalizer of MurmurHash3, a bijection of 64 bits in which every bit depends on every other.
inline uint64_t digest_mix(uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
  return x ^ x >> 33;
}

const uint32_t kDigestWords = 17;

// What a digest is taken of: the fields that a delta carries and nothing else.
struct DigestInput {
  uint64_t word[kDigestWords];
};

inline uint64_t word_pair(uint32_t high, uint32_t low) { return static_cast<uint64_t>(high) << 32 | low; }

// A deleted session has no more than key, order, state and who opened it.
inline DigestInput digest_input(const Session& s, const WideNat& wide) {
  const bool live = s.state != kStateDeleted;
  const bool tcp = delta::has_tcp_fields(s.state);
  const uint8_t flags = s.flags & (live ? delta::kReplicatedFlags : kOriginatorIsB);
  const bool is_wide = (flags & kNatWide) != 0;
  const bool source = (flags & kNatSource) != 0;
  const bool destination = (flags & kNatDestination) != 0;
  const bool wide_source = source && is_wide;
  const bool wide_destination = destination && is_wide;
  const uint32_t profile = tcp ? static_cast<uint32_t>(s.scales) << 8 | s.tcp_flags : 0;
  const DigestInput input = {
      {s.key.a_hi, s.key.a_lo, s.key.b_hi, s.key.b_lo, s.key.tail, s.order,
       word_pair(live ? s.rule : 0,
                 static_cast<uint32_t>(s.state) << 24 | static_cast<uint32_t>(flags) << 16 | profile),
       word_pair(source ? s.nat_source_port : 0, destination ? s.nat_destination_port : 0),
       word_pair(source && !is_wide ? s.nat_source : 0, destination && !is_wide ? s.nat_destination : 0),
       wide_source ? wide.source_hi : 0, wide_source ? wide.source_lo : 0, wide_destination ? wide.destination_hi : 0,
       wide_destination ? wide.destination_lo : 0, tcp ? word_pair(s.side[0].end, s.side[0].max_end) : 0,
       tcp ? word_pair(s.side[0].max_window, s.side[0].acked) : 0,
       tcp ? word_pair(s.side[1].end, s.side[1].max_end) : 0,
       tcp ? word_pair(s.side[1].max_window, s.side[1].acked) : 0}};
  return input;
}

// 17 rounds of two 64-bit products each, without feedback from one session to the next: II=1 as a pipeline of some 34
// multipliers (about 10 DSP48E2 each), or fewer at a longer interval. Not against adversaries: it compares tables whose
// keys both members know, over an authenticated channel.
inline uint64_t session_digest(const Session& session, const WideNat& wide) {
  const DigestInput input = digest_input(session, wide);
  uint64_t digest = 0x243f6a8885a308d3ull;
  for (uint32_t i = 0; i < kDigestWords; ++i) {
    digest = digest_mix((digest + 0x9e3779b97f4a7c15ull) ^ input.word[i]);
  }
  return digest;
}

// A set's digest: sum and exclusive or of its members' digests, whatever their order.
struct SetDigest {
  uint64_t sum;
  uint64_t exclusive;
};

inline SetDigest with_member(const SetDigest& set, uint64_t digest) {
  const SetDigest next = {set.sum + digest, set.exclusive ^ digest};
  return next;
}

}  // namespace hls
}  // namespace phalanx

#endif
