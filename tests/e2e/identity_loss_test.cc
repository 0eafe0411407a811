// A data directory that is not the member's own any more: the node is refused or refuses to start,
// says what to do, never votes, and the others go on.
#include <filesystem>
#include <fstream>

#include "node/replica/identity.h"
#include "tests/e2e/test_cluster.h"

namespace aspen::e2e {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr const char* advice = "identity is lost, replace this member";
constexpr int exit_identity = 3;
constexpr int exit_durability = 4;

replica::Identity read_identity(const std::string& directory) {
  const auto identity = replica::decode_identity(read_text(directory + "/identity"));
  EXPECT_TRUE(identity.has_value());
  return identity.value_or(replica::Identity{});
}

void write_file(const std::string& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

class IdentityLoss : public testing::Test {
 protected:
  void SetUp() override {
    cluster.start();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_TRUE(cluster.eventually_put(0, "before", "1"));
  }

  [[nodiscard]] std::string directory(std::size_t node) const {
    return cluster.node(node).directory;
  }

  // The node runs, is refused by the others and says so everywhere; they go on without it.
  void expect_refused(std::size_t node) {
    HttpAnswer ready;
    EXPECT_TRUE(eventually([&] {
      ready = cluster.http(node, "/readyz");
      return ready.status == 503 && ready.body.find(advice) != std::string::npos;
    })) << ready.body
        << cluster.log(node);
    EXPECT_TRUE(cluster.logged(node, advice));
    EXPECT_EQ(cluster.http(node, "/livez").status, 200);
    const Ended shown = cluster.ctl(node, {"cluster", "status"});
    EXPECT_NE(shown.output.find(advice), std::string::npos) << shown.output;
    expect_others_go_on(node);
    // Nobody counts on it: with one other node down there is no majority.
    const std::size_t other = (node + 1) % TestCluster::node_count;
    const std::size_t last = (node + 2) % TestCluster::node_count;
    cluster.processes().kill9(other);
    EXPECT_FALSE(cluster.put(last, "minority", "1", std::chrono::milliseconds(1500)).ok());
    cluster.processes().start(other);
    EXPECT_TRUE(cluster.eventually_put(last, "majority", "1"));
  }

  void expect_others_go_on(std::size_t without) {
    for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
      if (i == without) continue;
      EXPECT_TRUE(cluster.eventually_put(i, "after", std::to_string(i)));
      EXPECT_EQ(cluster.get(i, "before"), "1");
      EXPECT_TRUE(eventually([&] { return cluster.http(i, "/readyz").status == 200; }));
    }
  }

  // The node does not start, with this status and these words in its last lines.
  void expect_exit(std::size_t node, int status, const std::string& words) {
    cluster.processes().start(node);
    const std::optional<int> ended = cluster.processes().wait_end(node, seconds(20));
    ASSERT_TRUE(ended.has_value()) << cluster.log(node);
    EXPECT_EQ(*ended, status) << cluster.log(node);
    EXPECT_TRUE(cluster.logged(node, words)) << cluster.log(node);
    expect_others_go_on(node);
  }

  TestCluster cluster;
};

TEST_F(IdentityLoss, AnEmptiedDirectoryIsRefusedAndSaysThatItsIdentityIsLost) {
  cluster.processes().kill9(1);
  fs::remove_all(directory(1));
  cluster.processes().start(1);
  expect_refused(1);
  EXPECT_TRUE(cluster.logged(0, "replace this member"));
}

TEST_F(IdentityLoss, AnotherIncarnationUnderTheSameNameIsRefused) {
  cluster.processes().kill9(1);
  replica::Identity identity = read_identity(directory(1));
  fs::remove_all(directory(1));
  fs::create_directories(directory(1));
  identity.self.incarnation.low ^= 1;
  identity.started = false;
  for (Member& member : identity.bootstrap.members) {
    if (member.peer.id == identity.self.id) member.peer = identity.self;
  }
  write_file(directory(1) + "/identity", encode(identity));
  cluster.processes().start(1);
  expect_refused(1);
}

// A copy of the directory that this member had in a former cluster at the same addresses.
TEST_F(IdentityLoss, ADirectoryOfAFormerClusterIsRefused) {
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
    EXPECT_EQ(cluster.processes().terminate(i), 0);
    fs::rename(directory(i), directory(i) + ".old");
  }
  cluster.start();
  ASSERT_TRUE(cluster.eventually_put(0, "before", "1"));
  cluster.processes().kill9(1);
  fs::remove_all(directory(1));
  fs::rename(directory(1) + ".old", directory(1));
  cluster.processes().start(1);
  expect_refused(1);
}

TEST_F(IdentityLoss, ExchangedDirectoriesAreRefusedByTheirNames) {
  cluster.processes().kill9(1);
  cluster.processes().kill9(2);
  fs::rename(directory(1), directory(1) + ".tmp");
  fs::rename(directory(2), directory(1));
  fs::rename(directory(1) + ".tmp", directory(2));
  for (const std::size_t node : {1U, 2U}) {
    cluster.processes().start(node);
    EXPECT_EQ(cluster.processes().wait_end(node, seconds(20)), exit_identity);
    EXPECT_TRUE(cluster.logged(node, "the data directory belongs to node")) << cluster.log(node);
    EXPECT_TRUE(cluster.logged(node, advice)) << cluster.log(node);
    EXPECT_FALSE(cluster.logged(node, "empty")) << cluster.log(node);
  }
  fs::rename(directory(1), directory(1) + ".tmp");
  fs::rename(directory(2), directory(1));
  fs::rename(directory(1) + ".tmp", directory(2));
  cluster.processes().start(1);
  cluster.processes().start(2);
  EXPECT_TRUE(cluster.eventually_put(0, "after", "1"));
  EXPECT_TRUE(eventually([&] { return cluster.all_ready() && cluster.hashes_equal(); }));
}

TEST_F(IdentityLoss, WithoutItsLogAMemberDoesNotStart) {
  cluster.processes().kill9(1);
  fs::remove_all(directory(1) + "/log");
  expect_exit(1, exit_durability, "the log is missing");
  EXPECT_TRUE(cluster.logged(1, "this member must be replaced")) << cluster.log(1);
  EXPECT_TRUE(cluster.logged(1, directory(1) + "/log")) << cluster.log(1);
}

// The log is the truth: as long as it is whole, the state is made from it again.
TEST_F(IdentityLoss, WithoutItsStateAMemberRebuildsItOrDoesNotStart) {
  cluster.processes().kill9(1);
  fs::remove_all(directory(1) + "/state");
  cluster.processes().start(1);
  EXPECT_TRUE(eventually([&] { return cluster.get(1, "before") == "1"; })) << cluster.log(1);
  EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); }));
  // Until the beginning of the log is purged.
  const std::string value(1'500'000, 'v');
  const std::string first = directory(1) + "/log/0000000000000001.log";
  for (int i = 0; i < 200 && fs::exists(first); ++i) {
    ASSERT_TRUE(cluster.put(1, "large/" + std::to_string(i % 4), value).ok()) << i;
  }
  ASSERT_TRUE(eventually([&] { return !fs::exists(first); })) << cluster.log(1);
  cluster.processes().kill9(1);
  fs::remove_all(directory(1) + "/state");
  expect_exit(1, exit_durability, "the state and the log do not belong together");
}

TEST_F(IdentityLoss, WithoutItsIdentityFileAMemberDoesNotStart) {
  cluster.processes().kill9(1);
  fs::remove(directory(1) + "/identity");
  expect_exit(1, exit_identity, advice);
  fs::remove_all(directory(1) + "/log");
  expect_exit(1, exit_identity, "'state' folder but no identity file");
}

TEST_F(IdentityLoss, ADamagedOrNewerIdentityFileIsRefused) {
  cluster.processes().kill9(1);
  const std::string whole = read_text(directory(1) + "/identity");
  write_file(directory(1) + "/identity", whole.substr(0, whole.size() / 2));
  expect_exit(1, exit_durability, "identity");
  std::string newer = whole;
  newer[8] = 99;  // the format
  write_file(directory(1) + "/identity", newer);
  expect_exit(1, exit_identity, "written by a newer version");
}

}  // namespace
}  // namespace aspen::e2e
