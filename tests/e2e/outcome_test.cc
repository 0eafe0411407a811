// What aspenctl's exit status says of a write while the cluster has no majority.
#include "tests/e2e/test_cluster.h"

namespace aspen::e2e {
namespace {

// Long enough for a command to reach the leader before it gives up leading.
constexpr const char* election_timeout = "2s";

TEST(Outcome, OfAWriteThatTheLeaderTookAndCouldNotCommitIsUnknown) {
  TestCluster cluster(election_timeout);
  cluster.start();
  ASSERT_FALSE(HasFatalFailure());
  const std::size_t leader = cluster.await_leader();
  ASSERT_EQ(cluster.ctl(leader, {"put", "key", "before"}).status, 0);
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
    if (i != leader) cluster.processes().kill9(i);
  }
  const Ended unknown = cluster.ctl(leader, {"--timeout", "15", "put", "key", "after"});
  EXPECT_EQ(unknown.status, 3) << unknown.output;
  EXPECT_NE(unknown.output.find("the request may have taken effect"), std::string::npos)
      << unknown.output;
  // Now nobody leads, and what nobody took has certainly not happened.
  const Ended refused = cluster.ctl(leader, {"--timeout", "15", "put", "other", "1"});
  EXPECT_EQ(refused.status, 1) << refused.output;
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
    if (i != leader) cluster.processes().start(i);
  }
  ASSERT_TRUE(cluster.eventually_put(leader, "healed", "1"));
  EXPECT_EQ(cluster.get(leader, "other"), std::nullopt);
}

}  // namespace
}  // namespace aspen::e2e
