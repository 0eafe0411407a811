#include "node/raft/progress.h"

#include <gtest/gtest.h>

#include "node/base/prng.h"
#include "tests/raft/solo.h"

namespace aspen::raft {
namespace {

Progress replicating() {
  Progress peer;
  peer.restart(Index(6), Epoch(1));
  peer.accepted(Index(5));
  return peer;
}

TEST(Progress, TheWindowCountsWhatIsInFlight) {
  Tuning tuning = small_tuning();
  tuning.window_appends = 3;
  tuning.window_bytes = 250;
  Progress peer = replicating();
  peer.sent(Index(7), 100);
  peer.sent(Index(8), 100);
  EXPECT_FALSE(peer.window_full(tuning));
  peer.sent(Index(9), 60);
  EXPECT_TRUE(peer.window_full(tuning));
  EXPECT_EQ(peer.window_bytes, 260U);
  // Half of an append acknowledged frees nothing.
  EXPECT_TRUE(peer.acknowledged(Index(6)));
  EXPECT_EQ(peer.window_bytes, 260U);
  EXPECT_TRUE(peer.acknowledged(Index(8)));
  EXPECT_EQ(peer.window_bytes, 60U);
  EXPECT_EQ(peer.window.size(), 1U);
  EXPECT_EQ(peer.next, Index(10));
  EXPECT_FALSE(peer.acknowledged(Index(7)));  // late
  EXPECT_EQ(peer.match, Index(8));
  peer.invariants(Index(9));
}

TEST(Progress, AnAcceptedProbeContinuesBehindWhatIsDurable) {
  Progress peer;
  peer.restart(Index(9), Epoch(1));
  peer.waiting = true;
  peer.accepted(Index(5));
  EXPECT_EQ(peer.state, ProgressState::replicate);
  EXPECT_EQ(peer.next, Index(6));
  EXPECT_FALSE(peer.waiting);
}

TEST(Progress, ANewStreamEmptiesTheWindowAndKeepsTheMatch) {
  Progress peer = replicating();
  peer.sent(Index(9), 100);
  peer.restart(Index(3), Epoch(2));
  EXPECT_EQ(peer.state, ProgressState::probe);
  EXPECT_EQ(peer.match, Index(5));
  EXPECT_EQ(peer.next, Index(6));
  EXPECT_EQ(peer.window_bytes, 0U);
  peer.invariants(Index(9));
}

TEST(Progress, AHeartbeatRetriesAProbeAndAsksAboutASilentWindow) {
  Progress probe;
  probe.restart(Index(9), Epoch(1));
  probe.waiting = true;
  probe.heartbeat();
  EXPECT_FALSE(probe.waiting);

  Progress peer = replicating();
  peer.heartbeat();
  EXPECT_FALSE(peer.verify);  // nothing in flight
  peer.sent(Index(7), 10);
  peer.heartbeat();
  EXPECT_TRUE(peer.verify);
  peer.verify = false;
  peer.acknowledged(Index(6));
  peer.heartbeat();
  EXPECT_FALSE(peer.verify);  // something moved
  peer.heartbeat();
  EXPECT_TRUE(peer.verify);
}

// Goal: bytes in flight are those of the window, whatever happens. Method: random events.
TEST(Progress, WindowAccountingSurvivesRandomEvents) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Prng dice(seed);
    Progress peer;
    std::uint64_t epoch = 1;
    peer.restart(Index(1), Epoch(epoch));
    for (int step = 0; step < 300; ++step) {
      const Index last = std::max(peer.next, peer.match) + dice.below(3);
      switch (dice.below(4)) {
        case 0:
          peer.accepted(Index(dice.between(0, peer.next.value - 1)));
          break;
        case 1:
          if (dice.chance(1, 5))
            peer.restart(Index(dice.between(1, peer.next.value)), Epoch(++epoch));
          break;
        default:
          if (peer.state == ProgressState::replicate && peer.window.size() < 60) {
            peer.sent(last, dice.below(500));
          }
      }
      peer.invariants(last + 5);
    }
  }
}

}  // namespace
}  // namespace aspen::raft
