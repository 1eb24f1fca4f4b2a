// The digest of a session: 64 bits over what delta sync replicates, so that two members can compare tables.
#ifndef PHALANX_HLS_DIGEST_HPP
#define PHALANX_HLS_DIGEST_HPP

#include "hls/delta_layout.hpp"
#include "hls/hash.hpp"

namespace phalanx {
namespace hls {

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
  const uint64_t if_tcp = tcp ? ~0ull : 0;
  const uint64_t if_wide_source = (source & is_wide) ? ~0ull : 0;
  const uint64_t if_wide_destination = (destination & is_wide) ? ~0ull : 0;
  const uint32_t profile = tcp ? static_cast<uint32_t>(s.scales) << 8 | s.tcp_flags : 0;
  const DigestInput input = {
      {s.key.a_hi, s.key.a_lo, s.key.b_hi, s.key.b_lo, s.key.tail, s.order,
       word_pair(live ? s.rule : 0,
                 static_cast<uint32_t>(s.state) << 24 | static_cast<uint32_t>(flags) << 16 | profile),
       word_pair(source ? s.nat_source_port : 0, destination ? s.nat_destination_port : 0),
       word_pair((source & !is_wide) ? s.nat_source : 0, (destination & !is_wide) ? s.nat_destination : 0),
       wide.source_hi & if_wide_source, wide.source_lo & if_wide_source, wide.destination_hi & if_wide_destination,
       wide.destination_lo & if_wide_destination, word_pair(s.side[0].end, s.side[0].max_end) & if_tcp,
       word_pair(s.side[0].max_window, s.side[0].acked) & if_tcp, word_pair(s.side[1].end, s.side[1].max_end) & if_tcp,
       word_pair(s.side[1].max_window, s.side[1].acked) & if_tcp}};
  return input;
}

// SipHash-1-3 of those words: additions, rotations and exclusive ors alone, 20 rounds in a row without feedback from
// one session to the next, so II=1 and no DSP. Not linear: what two changes do to it does not cancel. The key is no
// secret (it is digits of pi), for this is not against adversaries: it compares tables whose keys both members know,
// over an authenticated channel.
const uint64_t kDigestSeed0 = 0x243f6a8885a308d3ull;
const uint64_t kDigestSeed1 = 0x13198a2e03707344ull;

inline uint64_t session_digest(const Session& session, const WideNat& wide) {
  const DigestInput input = digest_input(session, wide);
  SipState s = sip_begin(kDigestSeed0, kDigestSeed1);
  // No loop: some front ends unroll late or not at all.
  s = sip_absorb(s, input.word[0]);
  s = sip_absorb(s, input.word[1]);
  s = sip_absorb(s, input.word[2]);
  s = sip_absorb(s, input.word[3]);
  s = sip_absorb(s, input.word[4]);
  s = sip_absorb(s, input.word[5]);
  s = sip_absorb(s, input.word[6]);
  s = sip_absorb(s, input.word[7]);
  s = sip_absorb(s, input.word[8]);
  s = sip_absorb(s, input.word[9]);
  s = sip_absorb(s, input.word[10]);
  s = sip_absorb(s, input.word[11]);
  s = sip_absorb(s, input.word[12]);
  s = sip_absorb(s, input.word[13]);
  s = sip_absorb(s, input.word[14]);
  s = sip_absorb(s, input.word[15]);
  s = sip_absorb(s, input.word[16]);
  return sip_end(s);
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
