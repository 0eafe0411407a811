// A member that was away while the log was purged comes back by a snapshot, in real processes.
#include <atomic>
#include <sstream>

#include "tests/e2e/repeating_clients.h"
#include "tests/e2e/test_cluster.h"

namespace aspen::e2e {
namespace {

using std::chrono::seconds;

constexpr std::size_t value_bytes = 64 * 1024;
constexpr std::size_t values = 2500;  // more than the log keeps for a member that is away
constexpr std::size_t writers = 8;

class Snapshots : public testing::Test {
 protected:
  // A metric of a node; 0 if it is not there.
  double metric(std::size_t node, const std::string& name) {
    std::istringstream lines(cluster.http(node, "/metrics").body);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name + " ")) return std::stod(line.substr(name.size() + 1));
    }
    return 0;
  }
  void write_many(std::size_t through) {
    std::atomic<std::size_t> next{0};
    RepeatingClients clients(writers, [&](std::size_t, std::size_t) {
      const std::size_t i = next++;
      if (i >= values) return false;
      const std::string value(value_bytes, static_cast<char>('a' + i % 26));
      EXPECT_TRUE(cluster.put(through, "key" + std::to_string(i % 1800), value).ok());
      return true;
    });
    ASSERT_TRUE(eventually([&] { return next >= values; }, seconds(60)));
    clients.stop();
  }

  TestCluster cluster;
};

TEST_F(Snapshots, BringBackAMemberThatWasAwayWhileTheLogWasPurged) {
  cluster.start();
  ASSERT_FALSE(HasFatalFailure());
  const std::size_t leader = cluster.await_leader();
  const std::size_t away = (leader + 1) % TestCluster::node_count;
  ASSERT_TRUE(cluster.eventually_put(leader, "before", "1"));
  cluster.processes().kill9(away);
  write_many(leader);
  ASSERT_FALSE(HasFatalFailure());
  etcdserverpb::CompactionRequest compact;
  compact.set_revision(values / 2);
  etcdserverpb::CompactionResponse compacted;
  ASSERT_TRUE(cluster.kv(leader).Compact(context(seconds(10)).get(), compact, &compacted).ok());
  ASSERT_TRUE(eventually([&] { return metric(leader, "aspen_log_size_bytes") < 160e6; }));
  cluster.processes().start(away);
  ASSERT_TRUE(eventually([&] { return cluster.all_ready() && cluster.hashes_equal(); }));
  EXPECT_EQ(metric(away, "aspen_snapshots_installed_total"), 1);
  EXPECT_GT(metric(away, "aspen_snapshot_received_bytes_total"), 40e6);
  // It is a member like any other: the cluster needs it now.
  cluster.processes().kill9((leader + 2) % TestCluster::node_count);
  EXPECT_TRUE(cluster.eventually_put(away, "after", "1"));
  // And starts again from what it has.
  cluster.processes().kill9(away);
  cluster.processes().start(away);
  EXPECT_TRUE(cluster.eventually_put(away, "last", "1"));
}

}  // namespace
}  // namespace aspen::e2e
