// How a replica comes up: beside a log that takes long to open, and on a disk without room for one.
#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "node/actor/thread_system.h"
#include "node/kv/command.h"
#include "node/replica/raft_actor.h"
#include "tests/replica/sim_cluster.h"

namespace aspen::replica {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t seed = 13;

class SteadyClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const noexcept override {
    return Instant{std::chrono::steady_clock::now().time_since_epoch().count()};
  }
  [[nodiscard]] WallTime wall() const noexcept override { return WallTime{now().ns}; }
};

class NoPeers final : public Peers {
 public:
  void transfer(OutgoingCast) override {}
  void cast(std::vector<OutgoingCast>) override {}
  void set_members(ClusterId, const PeerId&, const Config&) override {}
  void probe(const std::string&, Duration, std::function<void(Result<wire::ProbeReply>)>) override {
  }
  void assign(const std::string&, const wire::Assign&, Duration,
              std::function<void(Result<void>)>) override {}
};

Identity alone() {
  Identity identity;
  identity.cluster = ClusterId(1);
  identity.self = {NodeId(1), {1, 1}};
  identity.name = "n1";
  identity.bootstrap.members.push_back({identity.self, Role::voter, "n1", "n1:2380", {"n1:2379"}});
  return identity;
}

// Goal: links, probes and status live while a long log is read. Method: the log opens when the test
// says so; until then the RaftActor answers, and a write waits that is executed afterwards.
TEST(Boot, TheReplicaAnswersWhileItsLogIsOpened) {
  std::promise<void> opened;
  std::shared_future<void> open = opened.get_future().share();
  const SteadyClock clock;
  SeededEntropy entropy{Prng(seed)};
  MemoryIdentityStore identity;
  identity.identity = alone();
  auto log = std::make_shared<contract::MemoryLogStore>();
  contract::MemoryStateStore state;
  NoPeers peers;
  RecordedHealth health;
  RecordedFatal fatal;
  NullTelemetry telemetry;
  NullLog log_sink;
  const auto open_log = [&](const Identity&) -> Result<std::shared_ptr<LogStore>> {
    open.wait();
    log->restart(0);
    return std::static_pointer_cast<LogStore>(log);
  };
  std::promise<Result<CommandReply>> written;
  std::promise<Result<ReplicaView>> viewed;
  // One worker for the stores in memory, which know no threads.
  actor::ThreadSystem system({.system = {.workers = 2}}, clock);
  const ReplicaPorts ports{clock, entropy, identity,  open_log, state, [] { return UINT64_MAX; },
                           peers, health,  telemetry, log_sink, fatal};
  ReplicaOptions options;
  options.log_worker = options.state_worker = options.read_worker = options.log_read_worker = 1;
  options.election_timeout = milliseconds(100);
  options.heartbeat_interval = milliseconds(20);
  const auto raft = system.spawn<RaftActor>({.worker = 0}, ports, options).value();
  system.start();
  kv::PutRequest put;
  put.key = "key";
  const Bytes encoded(kv::encode_request(kv::Request(put)));
  raft.ask_from_outside(Propose{encoded, clock.now() + seconds(30), false},
                        [&](Result<CommandReply>&& reply) { written.set_value(std::move(reply)); });
  raft.ask_from_outside(GetView{},
                        [&](Result<ReplicaView>&& view) { viewed.set_value(std::move(view)); });
  auto view = viewed.get_future();
  const bool answered = view.wait_for(seconds(20)) == std::future_status::ready;
  opened.set_value();
  ASSERT_TRUE(answered);
  EXPECT_FALSE(view.get()->running);
  auto reply = written.get_future();
  ASSERT_EQ(reply.wait_for(seconds(20)), std::future_status::ready);
  EXPECT_TRUE(reply.get().has_value());
  EXPECT_TRUE(system.stop(seconds(10)));
  EXPECT_TRUE(fatal.errors.empty());
}

// Goal: Init on a disk that is nearly full neither ends the node nor loses its place.
TEST(Boot, ANodeWithoutRoomForItsLogWaitsForIt) {
  SimCluster cluster(1, seed);
  SimNode& node = cluster.at(0);
  node.log_faults.open_full = true;
  std::optional<Result<Identity>> placed;
  node.node.ask_from_outside(cluster.init_request(),
                             [&](Result<Identity>&& answer) { placed = std::move(answer); });
  ASSERT_TRUE(cluster.run_until([&] { return placed.has_value(); }));
  const auto write = node.put("key", "value", seconds(1));
  cluster.run_for(seconds(20));
  EXPECT_TRUE(node.fatal.errors.empty());
  EXPECT_TRUE(node.health.last.live);
  EXPECT_NE(node.health.last.reason.find("no room"), std::string::npos);
  ASSERT_TRUE(write->has_value());
  EXPECT_EQ((*write)->error().code, Code::no_leader);
  node.log_faults.open_full = false;
  const auto later = node.put("key", "value", seconds(20));
  ASSERT_TRUE(cluster.run_until([&] { return later->has_value(); }));
  EXPECT_TRUE((*later)->has_value());
}

// The same when the log has room for its file and the identity has none to say that it was begun.
TEST(Boot, ANodeWithoutRoomForItsIdentityWaitsForIt) {
  SimCluster cluster(1, seed);
  cluster.init();
  SimNode& node = cluster.at(0);
  node.crash();
  node.identity.identity->started = false;
  node.identity.full = true;
  node.start();
  cluster.run_for(seconds(5));
  EXPECT_TRUE(node.fatal.errors.empty());
  EXPECT_FALSE(node.view().running);
  node.identity.full = false;
  ASSERT_TRUE(cluster.run_until([&] { return cluster.leader().has_value(); }));
  EXPECT_TRUE(node.identity.identity->started);
}

}  // namespace
}  // namespace aspen::replica
