// Renewals of the lease may overtake nothing: behind a change of role they are the new role's.
#include "host/daemon/side_rings.hpp"

#include <gtest/gtest.h>

namespace phalanx::daemon {
namespace {

TEST(TakeRenewals, TakesThoseBeforeAnyOtherCommand) {
  SpscRing<gateway::DataCommand> commands(8);
  EXPECT_EQ(take_renewals(commands), std::nullopt);
  for (const int64_t until : {5, 7}) ASSERT_TRUE(commands.push(cluster::RenewLease{until}));
  ASSERT_TRUE(commands.push(cluster::SetRole{}));
  ASSERT_TRUE(commands.push(cluster::RenewLease{9}));
  EXPECT_EQ(take_renewals(commands), 7);
  EXPECT_EQ(take_renewals(commands), std::nullopt) << "the change of role comes first";
  const std::optional<gateway::DataCommand> role = commands.pop();
  ASSERT_TRUE(role.has_value());
  EXPECT_TRUE(std::holds_alternative<cluster::SetRole>(*role));
  EXPECT_EQ(take_renewals(commands), 9);
  EXPECT_FALSE(commands.pop().has_value());
}

}  // namespace
}  // namespace phalanx::daemon
