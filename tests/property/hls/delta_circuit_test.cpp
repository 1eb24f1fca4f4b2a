// The encoder's circuit gives, record after record, what its branches give: every piece, and what is remembered.
#include <algorithm>
#include <array>
#include <cstring>

#include "hls/delta_record.hpp"
#include "rapidcheck/gtest.h"
#include "tests/unit/state_delta/random_records.hpp"

namespace phalanx::hls::delta {
namespace {

constexpr int kContainers = 40;  // a sample; 100 samples a property
constexpr int kRecords = 100;

// An encoder's memories.
struct Memory {
  Registers registers = begin_registers(1);
  std::array<StateContext, kStateContexts> states{};
  std::array<DictionaryEntry, kDictionaryEntries> responders{};

  explicit Memory(uint64_t base) { states.fill(begin_state(base)); }
};

bool same(const Registers& x, const Registers& y) {
  return x.originator_v6_hi == y.originator_v6_hi && x.originator_v4 == y.originator_v4 &&
         x.nat_source == y.nat_source && x.nat_destination == y.nat_destination && x.epoch == y.epoch &&
         x.responder_ports == y.responder_ports && x.has_responder_ports == y.has_responder_ports &&
         x.has_originator_v4 == y.has_originator_v4 && x.has_originator_v6 == y.has_originator_v6 &&
         x.has_nat_source == y.has_nat_source && x.has_nat_destination == y.has_nat_destination;
}
bool same(const StateContext& x, const StateContext& y) {
  return x.generation == y.generation && x.window[0] == y.window[0] && x.window[1] == y.window[1] &&
         x.tcp_flags == y.tcp_flags && x.scales == y.scales;
}
bool same(const DictionaryEntry& x, const DictionaryEntry& y) {
  return x.hi == y.hi && x.lo == y.lo && x.epoch == y.epoch && x.port == y.port && x.family == y.family;
}

RC_GTEST_PROP(delta_circuit, encodes_as_the_branches_do, ()) {
  test::RandomRecords random(*rc::gen::arbitrary<uint64_t>());
  std::array<int, kPieces> present = {}, absent = {};
  for (int container = 0; container < kContainers; ++container) {
    const Options options = {random.one_in(2), 123456789};
    Memory branches(random.below(1ull << 40)), circuit = branches;
    for (int i = 0; i < kRecords; ++i) {
      const abi::Record record = random.record();
      const Session& s = record.session;
      const Parts parts = parts_of(s);
      PieceSet wanted = no_pieces();
      encode(s, record.wide, parts, options, branches.registers, branches.states[s.state],
             branches.responders[parts.index], wanted);
      const PieceSet got = encode_at_once(s, record.wide, parts, options, circuit.registers, circuit.states[s.state],
                                          circuit.responders[parts.index]);
      RC_ASSERT(std::equal(std::begin(got.length), std::end(got.length), std::begin(wanted.length)));
      RC_ASSERT(std::equal(std::begin(got.bytes), std::end(got.bytes), std::begin(wanted.bytes)));
      RC_ASSERT(same(circuit.registers, branches.registers));
      RC_ASSERT(same(circuit.states[s.state], branches.states[s.state]));
      RC_ASSERT(same(circuit.responders[parts.index], branches.responders[parts.index]));
      for (uint32_t p = 0; p < kPieces; ++p) ++(got.length[p] != 0 ? present : absent)[p];
    }
  }
  // Every piece that may be absent was, and every piece was there.
  RC_ASSERT(*std::min_element(present.begin(), present.end()) > 0);
  for (const Piece always : {kHead, kGeneration, kOriginator}) absent[always] = 1;
  RC_ASSERT(*std::min_element(absent.begin(), absent.end()) > 0);
}

// Neighbours in a network, or ports of one address, never share a place while there are places.
TEST(DeltaDictionary, NeighboursLieApart) {
  for (const uint64_t base : {0ull, 0x0a000000ull, 0xc0a80000ull, 0x20010db800000000ull}) {
    for (const unsigned step : {0u, 1u, 6u, 8u, 16u}) {
      std::array<bool, kDictionaryEntries> taken = {};
      for (uint32_t i = 0; i < kDictionaryEntries; ++i) {
        taken[dictionary_index(0, base + (uint64_t{i} << step), 443)] = true;
      }
      EXPECT_EQ(std::count(taken.begin(), taken.end(), true), kDictionaryEntries) << base << " " << step;
    }
  }
  std::array<bool, kDictionaryEntries> taken = {};
  for (uint32_t i = 0; i < kDictionaryEntries; ++i)
    taken[dictionary_index(0, 0x0a000001, static_cast<uint16_t>(i))] = true;
  EXPECT_EQ(std::count(taken.begin(), taken.end(), true), kDictionaryEntries);
}

}  // namespace
}  // namespace phalanx::hls::delta
