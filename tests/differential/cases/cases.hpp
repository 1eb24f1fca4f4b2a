// What is played on the CPU engine and on an engine that is judged, the same for each judge.
#ifndef PHALANX_TESTS_DIFFERENTIAL_CASES_CASES_HPP
#define PHALANX_TESTS_DIFFERENTIAL_CASES_CASES_HPP

#include <cstdint>
#include <map>
#include <utility>

#include "absl/types/span.h"
#include "tests/differential/judge.hpp"
#include "tests/differential/world.hpp"

namespace phalanx::testing {

// X(case): each is a function from a Judge to what differs, defined in the file of its subject. What each is for stands
// there.
#define PHALANX_ADVERSARIAL_CASES(X)      \
  X(every_packet_sees_the_one_before)     \
  X(every_distance_between_two_packets)   \
  X(a_change_amid_lookups)                \
  X(every_key_of_a_tag_is_compared_whole) \
  X(the_stash_takes_and_gives_back)       \
  X(a_full_index_refuses)                 \
  X(a_full_table_refuses)                 \
  X(every_tcp_flag_in_every_state)        \
  X(translations_of_both_sides)           \
  X(conflicts_of_replicated_sessions)     \
  X(long_rewrites_come_and_go)            \
  X(versions_and_times_wrap)              \
  X(windows_of_few_keys)                  \
  X(windows_of_one_slot)                  \
  X(windows_when_slots_run_out)           \
  X(windows_of_more_than_they_hold)       \
  X(windows_when_buckets_are_full)
#define PHALANX_CASE(name) Difference name(Judge& judge);
PHALANX_ADVERSARIAL_CASES(PHALANX_CASE)
#undef PHALANX_CASE

struct AdversarialCase {
  const char* name;
  Difference (*play)(Judge& judge);
};
inline constexpr AdversarialCase kAdversarialCases[] = {
#define PHALANX_CASE(name) {#name, name},
    PHALANX_ADVERSARIAL_CASES(PHALANX_CASE)
#undef PHALANX_CASE
};

// A random stream of operations, drawn from a world by a seed; several seeds, each with a table of its own.
struct StreamCase {
  const char* name;
  uint64_t sessions_max;
  WorldConfig world;
  bool stalls;
  uint64_t operations;  // of one seed
  uint64_t seeds;
};
absl::Span<const StreamCase> stream_cases();
// Of all streams: 1.2 million.
uint64_t stream_operations();

// How often each opcode had each result.
using Outcomes = std::map<std::pair<abi::Opcode, abi::Result>, uint64_t>;
// Plays `operations` of each of a stream's seeds and adds up what came of them; `played` grows by their number.
Difference play_stream(const StreamCase& stream, uint64_t operations, Judge& judge, Outcomes& outcomes,
                       uint64_t& played);
// A stream is worth something only if it gets everywhere that it can; what it did not get to.
Difference got_everywhere(const Outcomes& outcomes);

// What the cases share: a configuration, options with a seed, and flow `i` of a client each.
inline EngineConfig pair_config(uint64_t sessions_max) {
  EngineConfig config;
  config.sessions_max = sessions_max;
  config.half_open_max = sessions_max;
  config.hash_seed[0] = 3;
  config.hash_seed[1] = 5;
  return config;
}
inline Judge::Options stalls(uint64_t seed, uint64_t buckets = 0) { return {buckets, seed, true}; }
inline hls::PacketMeta flow(uint32_t i, uint8_t protocol = hls::kProtocolUdp) {
  return packet_between({0, 0x0a000000u + i, 1000}, {0, 0xc0000201u, 80}, protocol, 4);
}
// The answer's way.
inline hls::PacketMeta answer_of(hls::PacketMeta packet) {
  packet.from_b ^= 1;
  return packet;
}

}  // namespace phalanx::testing

#endif
