#include "node/health_board.h"

#include <gtest/gtest.h>

#include "node/base/limits.h"

namespace aspen {
namespace {

constexpr Duration silence = std::chrono::milliseconds(limits::health_silence_ms_max);

// A liveness probe must not end a node that reads a large state, again and again.
TEST(HealthBoard, ANodeThatHasNotPublishedYetIsLiveHoweverLongThatTakes) {
  const LockedHealthBoard board;
  const Health health = board.current(Instant{} + 100 * silence);
  EXPECT_TRUE(health.live);
  EXPECT_FALSE(health.ready);
  EXPECT_EQ(health.reason, "the node is starting");
}

TEST(HealthBoard, SilenceAfterAPublicationIsNotLive) {
  LockedHealthBoard board;
  const Instant at = Instant{} + std::chrono::seconds(1);
  board.publish({true, true, ""}, at);
  EXPECT_TRUE(board.current(at + silence).ready);
  const Health silent = board.current(at + silence + Duration(1));
  EXPECT_FALSE(silent.live);
  EXPECT_FALSE(silent.ready);
  EXPECT_FALSE(silent.reason.empty());
  board.publish({true, false, "no leader"}, at + 2 * silence);
  EXPECT_TRUE(board.current(at + 2 * silence).live);
  EXPECT_EQ(board.current(at + 2 * silence).reason, "no leader");
}

}  // namespace
}  // namespace aspen
