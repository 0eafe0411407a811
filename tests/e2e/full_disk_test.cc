// A full disk is no durability failure: a node without room refuses writes, goes on voting and
// serving reads, and takes writes again as soon as there is room. Every node has a small file
// system of its own, which a filler file fills to the last byte.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "tests/e2e/repeating_clients.h"
#include "tests/e2e/test_cluster.h"

namespace aspen::e2e {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr const char* refusal = "etcdserver: mvcc: database space exceeded";
constexpr const char* disk_options = "size=320m";

// Clients that write through every node until they are stopped.
class Writers {
 public:
  Writers(TestCluster& cluster, std::size_t count, std::size_t value_bytes)
      : value_(value_bytes, 'v'),
        threads_(count, [this, &cluster](std::size_t client, std::size_t i) {
          put(cluster, i, "writer/" + std::to_string(client) + "/" + std::to_string(i));
          return true;
        }) {}

  void stop() { threads_.stop(); }
  // After stop(): the keys whose write was acknowledged, and those whose write was refused.
  [[nodiscard]] const std::vector<std::string>& done() const { return done_; }
  [[nodiscard]] const std::vector<std::string>& refused() const { return refused_; }
  [[nodiscard]] std::size_t refusals() const { return refusals_; }

 private:
  void put(TestCluster& cluster, std::size_t i, const std::string& key) {
    const grpc::Status status = cluster.put(i % TestCluster::node_count, key, value_, seconds(3));
    const bool refused = status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
    if (refused) ++refusals_;
    const std::lock_guard lock(mutex_);
    if (status.ok()) done_.push_back(key);
    if (refused) refused_.push_back(key);
  }

  const std::string value_;
  std::atomic<std::size_t> refusals_{0};
  std::mutex mutex_;
  std::vector<std::string> done_;
  std::vector<std::string> refused_;
  RepeatingClients threads_;  // the last to begin and the first to end
};

class FullDisk : public testing::Test {
 protected:
  void SetUp() override {
    for (const NodeProcess& node : cluster.processes().nodes()) {
      fs::create_directories(node.directory);
      if (::mount("tmpfs", node.directory.c_str(), "tmpfs", 0, disk_options) != 0) {
        GTEST_SKIP() << "file systems cannot be mounted here: this needs root";
      }
    }
    cluster.start();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_TRUE(cluster.eventually_put(0, "before", "1"));
  }

  void TearDown() override {
    for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
      cluster.processes().kill9(i);
      ::umount2(cluster.node(i).directory.c_str(), MNT_DETACH);
    }
  }

  [[nodiscard]] std::string filler(std::size_t node) const {
    return cluster.node(node).directory + "/filler";
  }

  void fill(std::size_t node) {
    const int fd = ::open(filler(node).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ASSERT_GE(fd, 0);
    off_t size = 0;
    for (off_t step = 64 << 20; step >= 4096; step /= 2) {
      while (::fallocate(fd, 0, size, step) == 0) size += step;
    }
    ::close(fd);
    EXPECT_LT(free_bytes(node), 4096U);
  }

  void make_room(std::size_t node) { fs::remove(filler(node)); }

  [[nodiscard]] std::uint64_t free_bytes(std::size_t node) const {
    struct statvfs status {};
    EXPECT_EQ(::statvfs(cluster.node(node).directory.c_str(), &status), 0);
    return status.f_bavail * status.f_frsize;
  }

  [[nodiscard]] bool says_full(std::size_t node) {
    const HttpAnswer metrics = cluster.http(node, "/metrics");
    return metrics.body.find("\naspen_disk_full 1\n") != std::string::npos;
  }

  void expect_refused(std::size_t node) {
    const grpc::Status status = cluster.put(node, "refused", "1");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED)
        << "node " << node << ": " << status.error_message() << cluster.log(node);
    EXPECT_EQ(status.error_message(), refusal);
  }

  void expect_all_there(const Writers& writers) {
    std::size_t lost = 0;
    for (const std::string& key : writers.done()) lost += cluster.get(0, key).has_value() ? 0U : 1U;
    EXPECT_EQ(lost, 0U) << "of " << writers.done().size();
    std::size_t ghosts = 0;
    for (const std::string& key : writers.refused()) {
      ghosts += cluster.get(0, key).has_value() ? 1U : 0U;
    }
    EXPECT_EQ(ghosts, 0U) << "of " << writers.refused().size();
  }

  TestCluster cluster;
};

TEST_F(FullDisk, OfAFollowerHoldsNobodyUpAndItCatchesUp) {
  const std::size_t leader = cluster.await_leader();
  const std::size_t follower = (leader + 1) % TestCluster::node_count;
  fill(follower);
  ASSERT_TRUE(eventually([&] { return says_full(follower); }));
  expect_refused(follower);
  // More than its log could take.
  const std::string value(500'000, 'v');
  for (int i = 0; i < 80; ++i) {
    const grpc::Status status = cluster.put(leader, "during/" + std::to_string(i), value);
    ASSERT_TRUE(status.ok()) << i << ": " << status.error_message() << cluster.log(leader);
  }
  EXPECT_EQ(cluster.get(follower, "before", Consistency::serializable), "1");
  EXPECT_EQ(cluster.http(follower, "/livez").status, 200);
  make_room(follower);
  EXPECT_TRUE(cluster.eventually_put(follower, "after", "1"));
  EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); })) << cluster.log(follower);
  EXPECT_EQ(cluster.get(follower, "during/79"), value);
  EXPECT_FALSE(cluster.logged(follower, "gave up")) << cluster.log(follower);
}

TEST_F(FullDisk, OfTheLeaderRefusesWritesUntilAnotherLeads) {
  const std::size_t leader = cluster.await_leader();
  fill(leader);
  ASSERT_TRUE(eventually([&] { return says_full(leader); }));
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
    expect_refused(i);
    EXPECT_EQ(cluster.get(i, "before"), "1");
  }
  cluster.processes().kill9(leader);
  const std::size_t next = cluster.await_leader();
  EXPECT_NE(next, leader);
  EXPECT_TRUE(cluster.eventually_put(next, "after", "1"));
  make_room(leader);
  cluster.processes().start(leader);
  EXPECT_TRUE(cluster.eventually_put(leader, "again", "1"));
  EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); }));
}

// The disks fill up in the middle of the writes of many clients.
TEST_F(FullDisk, OfAllRefusesWritesServesReadsElectsAndRecovers) {
  Writers writers(cluster, 6, 100'000);
  ASSERT_TRUE(eventually([&] { return cluster.get(0, "writer/0/9").has_value(); }));
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) fill(i);
  EXPECT_TRUE(eventually([&] { return writers.refusals() > 20; }));
  writers.stop();
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
    expect_refused(i);
    EXPECT_EQ(cluster.get(i, "before"), "1") << i << cluster.log(i);
  }
  const std::size_t leader = cluster.await_leader();
  cluster.processes().kill9(leader);
  const std::size_t next = cluster.await_leader();
  EXPECT_NE(next, leader);
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
    if (i == leader) continue;
    EXPECT_EQ(cluster.get(i, "before"), "1") << i << cluster.log(i);
    expect_refused(i);
  }
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) make_room(i);
  EXPECT_TRUE(cluster.eventually_put(next, "after", "1")) << cluster.log(next);
  cluster.processes().start(leader);
  EXPECT_TRUE(cluster.eventually_put(leader, "again", "1"));
  EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); })) << cluster.log(leader);
  expect_all_there(writers);
}

// Entries that were accepted may find no room: the replica starts again without them. However
// often that happens, no supervisor gives up.
TEST_F(FullDisk, AgainAndAgainUnderLargeWritesEndsNoNode) {
  Writers writers(cluster, 4, 400'000);
  for (int round = 0; round < 3; ++round) {
    const std::size_t before = writers.refusals();
    for (std::size_t i = 0; i < TestCluster::node_count; ++i) fill(i);
    EXPECT_TRUE(eventually([&] { return writers.refusals() > before + 8; })) << round;
    for (std::size_t i = 0; i < TestCluster::node_count; ++i) make_room(i);
    EXPECT_TRUE(cluster.eventually_put(0, "round", std::to_string(round)))
        << round << cluster.log(0);
  }
  writers.stop();
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
    EXPECT_FALSE(cluster.processes().wait_end(i, std::chrono::milliseconds(0))) << cluster.log(i);
  }
  EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); })) << cluster.log(0);
  expect_all_there(writers);
}

// A node that died with a full disk votes and serves again without any room.
TEST_F(FullDisk, ANodeStartsOnAFullDisk) {
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) fill(i);
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) cluster.processes().kill9(i);
  cluster.processes().start_all();
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
    EXPECT_TRUE(eventually([&] { return cluster.get(i, "before") == "1"; }, seconds(10)))
        << cluster.log(i);
  }
  expect_refused(0);
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) make_room(i);
  EXPECT_TRUE(cluster.eventually_put(0, "after", "1")) << cluster.log(0);
  EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); }));
}

}  // namespace
}  // namespace aspen::e2e
