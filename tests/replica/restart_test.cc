// The replica's restarts within one process: what it keeps, what it drops, and how often it may.
#include <gtest/gtest.h>

#include "node/replica/raft_actor.h"
#include "tests/replica/sim_cluster.h"

namespace aspen::replica {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t seed = 11;

bool done(const SimNode::Answer& answer) {
  return answer->has_value() && (*answer)->has_value();
}

void put_many(SimCluster& cluster, int count, const std::string& prefix) {
  for (int i = 0; i < count; ++i) {
    const auto answer = cluster.at(0).put(prefix + std::to_string(i), "value", seconds(5));
    ASSERT_TRUE(cluster.run_until([&] { return answer->has_value(); }));
    ASSERT_TRUE(done(answer)) << (*answer)->error().what;
  }
}

// The log is full until the replica has started again because of it.
void restart_on_a_full_log(SimCluster& cluster) {
  SimNode& node = cluster.at(0);
  node.log_faults.full = true;
  const auto lost = node.put("lost", "value", seconds(1));
  ASSERT_TRUE(cluster.run_until([&] { return lost->has_value(); }));
  node.log_faults.full = false;
}

// Goal: what a crash takes from the state is still in the log. Method: the state is never flushed;
// the replica restarts, which must not make it believe otherwise, and would purge the log now.
TEST(Restart, StateThatIsNotFlushedStaysInTheLog) {
  SimCluster cluster(1, seed);
  cluster.init();
  put_many(cluster, 150, "before");
  restart_on_a_full_log(cluster);
  put_many(cluster, 10, "after");
  SimNode& node = cluster.at(0);
  ASSERT_GT(node.state.unflushed(), 100U);  // nothing of it survives the crash
  node.crash(0);
  node.start();
  const auto read = node.get("before0", seconds(10));
  ASSERT_TRUE(cluster.run_until([&] { return read->has_value(); }));
  ASSERT_TRUE((*read)->has_value()) << (*read)->error().what;
  EXPECT_EQ(std::get<kv::RangeResponse>((**read)->result).count, 1);
  EXPECT_TRUE(node.fatal.errors.empty());
}

// A full disk is no reason to give up, however often the replica starts again because of it.
TEST(Restart, ALogThatStaysFullDoesNotEndTheNode) {
  SimCluster cluster(1, seed);
  cluster.init();
  SimNode& node = cluster.at(0);
  node.log_faults.full = true;
  std::vector<SimNode::Answer> answers;
  for (int i = 0; i < 200; ++i) {
    answers.push_back(node.put("lost", "value", seconds(1)));
    cluster.run_for(milliseconds(100));
  }
  EXPECT_GT(node.system->snapshot().at(0).restarts, 6U);
  EXPECT_TRUE(node.fatal.errors.empty());
  node.log_faults.full = false;
  cluster.run_for(seconds(10));
  put_many(cluster, 1, "after");
}

TEST(Restart, CompletionsOfAFormerBootAreDropped) {
  SimCluster cluster(1, seed);
  cluster.init();
  SimNode& node = cluster.at(0);
  constexpr std::uint64_t former = 1;
  told(node.raft.tell(LogDone{former, raft::IoId(1'000'000)}));
  told(node.raft.tell(LogStalled{former, true}));
  told(node.raft.tell(AppliedUpTo{former, Index(), Index(), 0, std::nullopt}));
  told(node.raft.tell(LogRead{former, {}, {}, {}}));
  put_many(cluster, 1, "after");
  EXPECT_EQ(node.system->snapshot().at(0).restarts, 0U);
}

}  // namespace
}  // namespace aspen::replica
