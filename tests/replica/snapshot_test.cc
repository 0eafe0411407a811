// Goal: a member that needs what is purged comes up by a snapshot, whatever happens on the way.
#include <gtest/gtest.h>

#include "node/replica/raft_actor.h"
#include "node/wire/snapshot_codec.h"
#include "tests/replica/sim_cluster.h"

namespace aspen::replica {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t seed = 17;
constexpr std::size_t value_bytes = 16 * 1024;
constexpr int puts = 300;  // some 5 MB: as many chunks

const snapshot::Piece* content_piece(const snapshot::Message& message) {
  const auto* piece = std::get_if<snapshot::Piece>(&message);
  return piece != nullptr && piece->part == snapshot::Part::content ? piece : nullptr;
}

class Snapshots : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& node : cluster.nodes) {
      node->system.reset();
      node->log_bytes_max = 256 * 1024;
      node->start();
    }
    cluster.lose = [this](const OutgoingCast& cast) {
      if (cast.type != wire::cast_snapshot) return false;
      const snapshot::Message message = wire::decode_snapshot(cast.payload).value();
      const snapshot::Piece* piece = content_piece(message);
      if (piece == nullptr) return on_other && on_other(cast.to);
      chunks.push_back(piece->number);
      return on_chunk && on_chunk(cast.to);
    };
    cluster.init();
    lagging = (leader() + 1) % 3;
  }
  std::size_t leader() { return cluster.leader().value(); }
  SimNode& behind() { return cluster.at(lagging); }

  void put_some(int count, const std::string& prefix) {
    for (int i = 0; i < count; ++i) {
      std::string value(value_bytes, static_cast<char>('a' + i % 26));
      const auto answer = cluster.at(leader()).put(prefix + std::to_string(i), value, seconds(10));
      ASSERT_TRUE(cluster.run_until([&] { return answer->has_value(); }));
      ASSERT_TRUE((*answer)->has_value()) << (*answer)->error().what;
    }
  }
  // The others go on without one, until their logs lack what it needs.
  void leave_behind() {
    cluster.isolate(lagging);
    put_some(puts, "key");
    ASSERT_TRUE(cluster.run_until(
        [this] { return cluster.at(leader()).view().raft.purged.index > behind().log->last(); }));
  }
  bool caught_up() {
    const ReplicaView there = cluster.at(leader()).view();
    const ReplicaView here = behind().view();
    return here.running && here.applied == there.applied && there.applied.value > puts;
  }
  void expect_equal() {
    cluster.run_for(seconds(1));
    EXPECT_TRUE(behind().state.rows() == cluster.at(leader()).state.rows());
    for (const auto& node : cluster.nodes) EXPECT_TRUE(node->fatal.errors.empty());
  }
  std::size_t repeated() const {
    return chunks.size() - std::set<std::uint32_t>(chunks.begin(), chunks.end()).size();
  }

  SimCluster cluster{3, seed};
  std::size_t lagging = 0;
  std::vector<std::uint32_t> chunks;               // as the network saw them
  std::function<bool(NodeId)> on_chunk, on_other;  // lost if true
};

TEST_F(Snapshots, BringUpAMemberThatNeedsWhatIsPurged) {
  leave_behind();
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([this] { return caught_up(); }));
  EXPECT_GE(chunks.size(), 4U);
  EXPECT_EQ(repeated(), 0U);
  expect_equal();
  // The log goes on behind it, for good.
  put_some(5, "after");
  behind().crash(0);
  behind().start();
  ASSERT_TRUE(cluster.run_until([this] { return caught_up(); }));
  expect_equal();
  EXPECT_TRUE(behind().files.list_directories("snapshots").value().empty());
  EXPECT_TRUE(behind().files.list("snapshots").value().empty());
}

TEST_F(Snapshots, GoOnAfterTheLinkBroke) {
  leave_behind();
  std::size_t cut_at = 3;
  on_chunk = [&](NodeId) { return chunks.size() >= cut_at; };
  on_other = [&](NodeId) { return chunks.size() >= cut_at; };
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return chunks.size() >= cut_at; }));
  cluster.run_for(seconds(20));
  cut_at = SIZE_MAX;
  ASSERT_TRUE(cluster.run_until([this] { return caught_up(); }));
  // What the broken link had taken is asked for again, and nothing else.
  EXPECT_LE(repeated(), limits::snapshot_window_chunks);
  expect_equal();
}

TEST_F(Snapshots, GoOnAfterTheReceiverStartedAgain) {
  leave_behind();
  std::size_t stop_at = 3;
  on_chunk = [&](NodeId) { return chunks.size() > stop_at; };
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return chunks.size() > stop_at; }));
  cluster.run_for(milliseconds(100));
  behind().crash(0);
  on_chunk = nullptr;
  chunks.clear();
  behind().start();
  ASSERT_TRUE(cluster.run_until([this] { return caught_up(); }));
  for (const std::uint32_t early : {0, 1, 2}) {
    EXPECT_EQ(std::count(chunks.begin(), chunks.end(), early), 0) << "it was there already";
  }
  expect_equal();
}

TEST_F(Snapshots, ANewLeaderBringsUpWhomTheOldOneBegan) {
  leave_behind();
  on_chunk = [&](NodeId) { return chunks.size() > 3; };
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return chunks.size() > 3; }));
  const std::size_t old = leader();
  cluster.isolate(old);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.leader().has_value(); }));
  ASSERT_NE(leader(), old);
  on_chunk = nullptr;
  ASSERT_TRUE(cluster.run_until([this] { return caught_up(); }));
  cluster.heal();
  put_some(3, "after");
  ASSERT_TRUE(cluster.run_until([this] { return caught_up(); }));
  expect_equal();
}

// A checkpoint whose file changed under it is made anew.
TEST_F(Snapshots, ADamagedChunkIsNotTaken) {
  leave_behind();
  bool damaged = false;
  on_chunk = [&](NodeId) {
    SimNode& from = cluster.at(leader());
    const auto made = from.files.list_directories("snapshots").value();
    if (!damaged) from.files.flip("snapshots/" + made.at(0) + "/rows", 3'500'000, 1);
    damaged = true;
    return false;
  };
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([this] { return caught_up(); }));
  EXPECT_TRUE(damaged);
  expect_equal();
}

// The log that a member had before its state was exchanged: what a crash in between leaves.
class CutInstallation : public Snapshots {
 protected:
  // `manifest`: that of the snapshot, which is kept until the log has followed.
  void install_and_lose_the_log(std::string& name, std::string& manifest) {
    leave_behind();
    const contract::MemoryLogStore before = *behind().log;
    on_other = [&](NodeId to) {
      if (to == behind().id()) return false;
      const auto names = behind().files.list("snapshots");
      for (const std::string& file : *names) {
        name = "snapshots/" + file;
        manifest = behind().files.content(name);
      }
      return false;
    };
    cluster.heal();
    const Index at = cluster.at(leader()).view().applied;
    ASSERT_TRUE(cluster.run_until([&] { return behind().view().applied >= at; }));
    on_other = nullptr;
    cluster.isolate(lagging);
    ASSERT_TRUE(name.ends_with(".manifest"));
    behind().crash(0);
    *behind().log = before;
  }
};

TEST_F(CutInstallation, IsFinishedAtTheNextStart) {
  std::string name;
  std::string manifest;
  install_and_lose_the_log(name, manifest);
  behind().files.replace(name, manifest);
  behind().start();
  cluster.run_for(seconds(1));
  EXPECT_TRUE(behind().fatal.errors.empty());
  EXPECT_TRUE(behind().view().running);
  EXPECT_EQ(behind().log->summary().purged.index, behind().log->last());
  EXPECT_TRUE(behind().files.list("snapshots").value().empty()) << "it has served its purpose";
  cluster.heal();
  put_some(3, "after");
  ASSERT_TRUE(cluster.run_until([this] { return caught_up(); }));
  expect_equal();
}

// A log that has lost its end is something else, and must not be papered over.
TEST_F(CutInstallation, IsToldFromALogThatLostItsEnd) {
  std::string name;
  std::string manifest;
  install_and_lose_the_log(name, manifest);
  behind().files.replace(name, std::nullopt);
  behind().start();
  cluster.run_for(seconds(1));
  ASSERT_FALSE(behind().fatal.errors.empty());
  EXPECT_EQ(behind().fatal.errors.front().code, Code::corrupt);
}

// Goal: whatever a power loss takes of a transfer or an installation, the member comes up. Method:
// the power fails at one operation after the other on its files.
class CutByPower : public Snapshots, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(CutByPower, ATransferGoesOn) {
  leave_behind();
  SimNode& node = behind();
  node.files.crash_at(node.files.operations() + GetParam());
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return node.files.crashed() || caught_up(); }));
  if (node.files.crashed()) {
    node.crash();
    node.files.restart(contract::Crash::power, cluster.prng);
    node.fatal.errors.clear();  // of a disk that answers no more
    node.start();
  }
  ASSERT_TRUE(cluster.run_until([this] { return caught_up(); }));
  expect_equal();
}

INSTANTIATE_TEST_SUITE_P(AtEveryOperation, CutByPower, testing::Range<std::uint64_t>(1, 41));

// Goal: no request takes effect twice. Method: a member forwards a put that is committed, hears
// nothing more, and gets a snapshot that has it: it does not know, and must not propose it again.
TEST_F(Snapshots, ARequestThatTheSnapshotCoversIsOfUnknownOutcome) {
  bool deaf = false;
  SimNode& follower = behind();
  const auto former = cluster.lose;
  cluster.lose = [&](const OutgoingCast& cast) {
    return (deaf && cast.to == follower.id()) || former(cast);
  };
  deaf = true;
  const auto answer = follower.put("once", "value", seconds(600));
  cluster.run_for(milliseconds(50));
  leave_behind();
  deaf = false;
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return answer->has_value(); }));
  ASSERT_FALSE((*answer)->has_value());
  EXPECT_FALSE(certainly_not_applied((*answer)->error().code));
  ASSERT_TRUE(cluster.run_until([this] { return caught_up(); }));
  const auto read = cluster.at(leader()).get("once", seconds(10));
  ASSERT_TRUE(cluster.run_until([&] { return read->has_value(); }));
  const auto& response = std::get<kv::RangeResponse>((**read)->result);
  ASSERT_EQ(response.kvs.size(), 1U);
  EXPECT_EQ(response.kvs[0].version, 1);
}

}  // namespace
}  // namespace aspen::replica
