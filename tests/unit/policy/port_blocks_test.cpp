#include "host/policy/port_blocks.hpp"

#include <set>

namespace phalanx::policy {
namespace {

TEST(PortBlocks, RefusesImpossibleMembers) {
  for (const auto& [member, members_max] :
       std::vector<std::pair<uint32_t, uint32_t>>{{0, 0}, {2, 2}, {0, kLeaseholdersMax + 1}, {17, 16}}) {
    EXPECT_EQ(PortBlocks::make(member, members_max).status().code(), absl::StatusCode::kInvalidArgument)
        << member << " of " << members_max;
  }
}

TEST(PortBlocks, EveryPortHasExactlyOneOwner) {
  for (uint32_t members_max = 1; members_max <= kLeaseholdersMax; ++members_max) {
    std::vector<PortBlocks> members;
    uint32_t total = 0;
    for (uint32_t m = 0; m < members_max; ++m) {
      members.push_back(PortBlocks::make(m, members_max).value());
      total += members.back().ports();
    }
    EXPECT_EQ(total, 65536u - 1024u);
    for (uint32_t port = 0; port <= 0xffff; ++port) {
      uint32_t owners = 0;
      for (const PortBlocks& blocks : members) {
        if (!blocks.owns(static_cast<uint16_t>(port))) continue;
        ++owners;
        ASSERT_EQ(blocks.port_at(blocks.index_of(static_cast<uint16_t>(port))), port);
      }
      ASSERT_EQ(owners, port >= 1024 ? 1u : 0u) << port << " with " << members_max;
    }
  }
}

TEST(PortBlocks, BlocksAreDealtInTurn) {
  const PortBlocks first = PortBlocks::make(0, 2).value();
  EXPECT_EQ(first.ports(), 504u * 64);
  EXPECT_TRUE(first.owns(1024) && first.owns(1087) && !first.owns(1088) && !first.owns(1151) && first.owns(1152));
  EXPECT_EQ(PortBlocks::make(4, 5).value().ports(), 201u * 64);
  EXPECT_EQ(PortBlocks::make(0, 5).value().ports(), 202u * 64);
  EXPECT_EQ(PortBlocks::make(15, 16).value().ports(), 63u * 64);
}

TEST(PortChooser, KeepsTheOriginalPortIfItIsTheMembersOwn) {
  const uint64_t seed[2] = {1, 2};
  const PortChooser chooser(PortBlocks::make(1, 2).value(), seed);
  hls::FlowKey key = {0, 1, 0, 2, 0};
  EXPECT_EQ(chooser.candidate(key, 1100, 0), 1100);
  EXPECT_NE(chooser.candidate(key, 1030, 0), 1030);
  EXPECT_NE(chooser.candidate(key, 22, 0), 22);
}

TEST(PortChooser, GivesUpAfterItsTries) {
  const uint64_t seed[2] = {1, 2};
  const PortChooser chooser(PortBlocks::make(0, 1).value(), seed);
  const hls::FlowKey key = {0, 1, 0, 2, 0};
  EXPECT_TRUE(chooser.candidate(key, 5000, kPortAttemptsMax - 1).has_value());
  EXPECT_FALSE(chooser.candidate(key, 5000, kPortAttemptsMax).has_value());
}

TEST(PortChooser, SeedChangesTheWalk) {
  const uint64_t one[2] = {1, 2}, other[2] = {1, 3};
  const PortBlocks blocks = PortBlocks::make(0, 2).value();
  const PortChooser a(blocks, one), b(blocks, other);
  uint32_t same = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const hls::FlowKey key = {0, i, 0, 2, 0};
    same += a.candidate(key, 22, 1) == b.candidate(key, 22, 1);
  }
  EXPECT_LE(same, 3u);  // 1000 / 32256 by chance
}

// First candidates of flows without a port to keep are spread over all own ports: chi-squared over the blocks.
TEST(PortChooser, CoversItsRangeEvenly) {
  const uint64_t seed[2] = {7, 8};
  const PortChooser chooser(PortBlocks::make(2, 16).value(), seed);
  const uint32_t flows = 63 * 400;
  std::vector<uint32_t> in_block(63, 0);
  std::set<uint16_t> ports;
  for (uint64_t i = 0; i < flows; ++i) {
    const hls::FlowKey key = {0, i, 0, 2, 0};
    const uint16_t port = chooser.candidate(key, 80, 0).value();
    ++in_block[chooser.blocks().index_of(port) / kBlockPorts];
    ports.insert(port);
  }
  double chi_squared = 0;
  for (const uint32_t count : in_block) chi_squared += (count - 400.0) * (count - 400.0) / 400.0;
  EXPECT_LT(chi_squared, 120);     // 62 degrees of freedom: p < 0.0001 beyond
  EXPECT_GT(ports.size(), 4000u);  // of 4032; e^-6.25 of them are expected to be missed
}

}  // namespace
}  // namespace phalanx::policy
