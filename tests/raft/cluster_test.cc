// Whole clusters of cores: what a client may rely on.
#include "tests/raft/cluster.h"

#include <gtest/gtest.h>

namespace aspen::raft {
namespace {

TEST(Cluster, ElectsOneLeaderAndCommitsProposals) {
  for (std::uint64_t nodes : {1U, 2U, 3U, 5U, 7U}) {
    Cluster c(nodes, nodes);
    const std::uint64_t leader = c.elect();
    ASSERT_NE(leader, 0U);
    for (int i = 0; i < 10; ++i) {
      const std::uint64_t request = c.propose(leader);
      c.settle();
      ASSERT_NE(c.node(leader).completion(request), nullptr) << nodes;
      EXPECT_EQ(c.node(leader).completion(request)->outcome, Outcome::committed);
    }
    // The commit notice reaches the followers without another tick.
    for (std::uint64_t n = 1; n <= nodes; ++n) EXPECT_EQ(c.node(n).applied, Index(12)) << n;
  }
}

TEST(Cluster, GrantsReadsAtLeaderAndFollowers) {
  for (std::uint64_t nodes : {1U, 3U, 5U}) {
    Cluster c(nodes, nodes);
    const std::uint64_t leader = c.elect();
    c.propose(leader);
    c.settle();
    for (std::uint64_t n = 1; n <= nodes; ++n) {
      const std::uint64_t request = c.read(n);
      c.settle();
      ASSERT_TRUE(c.node(n).grant(request)) << n;
      EXPECT_EQ(*c.node(n).grant(request), Index(3));
    }
  }
}

// Init (thesis 4): one node has the configuration in its log, the others have nothing. It
// campaigns, and brings them the configuration with the log.
TEST(Cluster, GrowsFromOneNodeThatKnowsTheConfiguration) {
  Cluster c(3, 1);
  for (std::uint64_t n : {2U, 3U}) {
    c.crash(n);
    c.node(n).log.clear();
    c.node(n).hard_state = {};
    c.restart(n);
  }
  for (int i = 0; i < 50; ++i) {
    c.tick(2);
    c.tick(3);
  }
  EXPECT_TRUE(c.network.empty());
  c.make_leader(1);
  for (std::uint64_t n = 1; n <= 3; ++n) {
    EXPECT_EQ(c.node(n).core->config(), voters(3));
    EXPECT_EQ(c.node(n).applied, Index(2));
  }
}

// The promise of the election timeout: a dead leader is replaced within 2 T and some messages.
TEST(Cluster, ReplacesADeadLeaderWithinTwoT) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Cluster c(3, seed);
    const std::uint64_t leader = c.elect();
    c.crash(leader);
    std::uint64_t ticks = 0;
    for (; c.leader() == 0 && ticks < 100; ++ticks) {
      c.tick_all();
      c.settle();
    }
    EXPECT_LE(ticks, 2 * small_tuning().election_ticks_min) << seed;
  }
}

// All disks keep what was promised: nothing acknowledged is lost when every node dies at once.
TEST(Cluster, SurvivesTheDeathOfAllNodes) {
  Cluster c(3, 5);
  const std::uint64_t leader = c.elect();
  const std::uint64_t request = c.propose(leader, "kept");
  c.settle();
  const Index index = c.node(leader).completion(request)->id.index;
  for (std::uint64_t n = 1; n <= 3; ++n) c.crash(n);
  for (std::uint64_t n = 1; n <= 3; ++n) c.restart(n);
  const std::uint64_t next = c.elect();
  c.settle();
  ASSERT_GE(c.node(next).applied, index);
  EXPECT_EQ(c.committed.at(index.value).payload.view(), "kept");
}

}  // namespace
}  // namespace aspen::raft
