#include "host/packet/drop_reason.hpp"

#include <gtest/gtest.h>

#include <set>

namespace phalanx {
namespace {

TEST(DropReason, EveryOneHasItsOwnNameAndAText) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    EXPECT_TRUE(names.insert(drop_name(reason)).second) << drop_name(reason);
    EXPECT_FALSE(drop_text(reason).empty()) << drop_name(reason);
    EXPECT_EQ(drop_name(reason).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string_view::npos);
  }
  EXPECT_EQ(drop_name(DropReason::kCount), "unknown");
  EXPECT_EQ(drop_name(DropReason::kNeighbourQueueFull), "neighbour_queue_full");
}

TEST(DropReason, EveryTrackReasonHasOne) {
  std::set<DropReason> reasons;
  for (uint8_t i = 0; i < static_cast<uint8_t>(hls::TrackReason::kCount); ++i) {
    const DropReason reason = from_track(static_cast<hls::TrackReason>(i));
    EXPECT_NE(reason, DropReason::kEngine);
    EXPECT_TRUE(reasons.insert(reason).second);
  }
  EXPECT_EQ(from_track(hls::TrackReason::kNone), DropReason::kNone);
  EXPECT_EQ(from_track(hls::TrackReason::kTcpReset), DropReason::kTcpReset);
  EXPECT_EQ(from_track(static_cast<hls::TrackReason>(200)), DropReason::kEngine);
}

TEST(DropCounters, AddUpWithoutWhatWasNotDropped) {
  DropCounters a;
  DropCounters b;
  a.count(DropReason::kNone, 100);
  a.count(DropReason::kNoRoute);
  b.count(DropReason::kNoRoute, 2);
  b.count(DropReason::kTooBig);
  a += b;
  EXPECT_EQ(a[DropReason::kNoRoute], 3u);
  EXPECT_EQ(a.total(), 4u);
}

}  // namespace
}  // namespace phalanx
