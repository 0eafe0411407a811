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

}  // namespace
}  // namespace aspen::raft
