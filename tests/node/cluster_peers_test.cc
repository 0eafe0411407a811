// What lies between a replica and the cluster layer: nothing is lost there without a word.
#include "node/cluster_peers.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "node/actor/sim_system.h"
#include "node/wire/forward_codec.h"

namespace aspen {
namespace {

using std::chrono::milliseconds;

// Takes what a NodeServer would and remembers it.
class FakeServer final : public actor::Actor<FakeServer, cluster::NodeProtocol> {
 public:
  using Context = actor::Context<FakeServer>;
  explicit FakeServer(std::vector<std::string>& seen) : seen_(seen) {}
  void on(cluster::Cast&&, Context&) noexcept { seen_.emplace_back("cast"); }
  void on(cluster::Casts&& casts, Context&) noexcept {
    seen_.push_back("casts " + std::to_string(casts.list.size()));
  }
  void on(cluster::SetIdentity&&, Context&) noexcept { seen_.emplace_back("identity"); }
  void on(cluster::SetMembers&& message, Context&) noexcept {
    seen_.push_back("members " + std::to_string(message.config.members.size()));
  }
  template <class M>
  void on(M&&, Context&) noexcept {}
  template <class M, class R>
  void on(M&&, actor::Responder<R>&&, Context&) noexcept {}

 private:
  std::vector<std::string>& seen_;
};

class FakeRaft final : public actor::Actor<FakeRaft, replica::RaftProtocol> {
 public:
  using Context = actor::Context<FakeRaft>;
  explicit FakeRaft(std::vector<wire::ForwardReply>& refused) : refused_(refused) {}
  void on(replica::ForwardRefused&& message, Context&) noexcept {
    refused_.push_back(message.reply);
  }
  template <class M>
  void on(M&&, Context&) noexcept {}
  template <class M, class R>
  void on(M&&, actor::Responder<R>&&, Context&) noexcept {}

 private:
  std::vector<wire::ForwardReply>& refused_;
};

class ClusterPeersTest : public testing::Test {
 protected:
  static constexpr std::size_t mailbox = 4;
  ClusterPeersTest()
      : world(1),
        system(actor::SystemOptions{.workers = 1, .seed = 1, .on_give_up = {}}, world),
        server(*system.spawn<FakeServer>({.name = "server", .mailbox_capacity = mailbox},
                                         std::ref(seen))),
        raft(*system.spawn<FakeRaft>({.name = "raft"}, std::ref(refused))),
        peers(server, "n1") {
    peers.set_raft(raft);
    world.run_until_idle();
  }
  // The server is not run meanwhile, so its mailbox stays full.
  void fill_mailbox() {
    while (server.tell(cluster::Tick{})) {
    }
  }
  [[nodiscard]] static replica::OutgoingCast forward(std::uint64_t sequence) {
    return {NodeId(2), wire::cast_forward,
            wire::encode(wire::Forward{Term(3), 9, sequence, Bytes("request")})};
  }

  std::vector<std::string> seen;
  std::vector<wire::ForwardReply> refused;
  actor::SimWorld world;
  actor::SimSystem system;
  cluster::NodeRef server;
  actor::Ref<replica::RaftProtocol> raft;
  ClusterPeers peers;
};

TEST_F(ClusterPeersTest, AForwardThatDoesNotLeaveIsRefusedAtOnce) {
  fill_mailbox();
  peers.cast({forward(5), {NodeId(2), wire::cast_raft, Bytes("lost")}, forward(6)});
  world.run_until_idle();
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_EQ(refused[0].term, Term(3));
  EXPECT_EQ(refused[0].origin, 9U);
  EXPECT_EQ(refused[0].sequence, 5U);
  EXPECT_EQ(refused[0].code, Code::unavailable);
  EXPECT_EQ(refused[1].sequence, 6U);
  peers.cast({forward(7)});
  world.run_until_idle();
  EXPECT_EQ(refused.size(), 2U);
  EXPECT_EQ(seen, std::vector<std::string>{"casts 1"});

  cluster::NodeMemory memory;
  NullLog log;
  connect_handlers(memory, {raft, {}, log});
  memory.unsent_handler({NodeId(2), {}, the_group, wire::cast_forward, "", forward(8).payload});
  memory.unsent_handler({NodeId(2), {}, the_group, wire::cast_raft, "", Bytes("lost")});
  world.run_until_idle();
  ASSERT_EQ(refused.size(), 3U);
  EXPECT_EQ(refused[2].sequence, 8U);
}

// Without it the NodeServer would refuse or not dial a member until the next change.
TEST_F(ClusterPeersTest, AMembershipThatFindsNoRoomIsToldAgain) {
  const PeerId self{NodeId(1), {7, 7}};
  fill_mailbox();
  peers.set_members(ClusterId(3), self, Config{});
  Config config;
  config.members.resize(2);
  peers.set_members(ClusterId(3), self, config);
  world.run_until_idle();
  EXPECT_TRUE(seen.empty());
  peers.cast({forward(1)});
  peers.cast({forward(2)});
  world.run_until_idle();
  const std::vector<std::string> once{"identity", "members 2", "casts 1", "casts 1"};
  EXPECT_EQ(seen, once);
}

TEST_F(ClusterPeersTest, AMessageOfAnotherGroupIsDropped) {
  cluster::NodeMemory memory;
  NullLog log;
  connect_handlers(memory, {raft, {}, log});
  const Bytes reply = wire::encode(wire::ForwardReply{Term(3), 9, 5, Code::overloaded});
  memory.handlers[wire::cast_forward_reply]({NodeId(2), {}}, GroupId(2), reply);
  world.run_until_idle();
  EXPECT_TRUE(refused.empty());
  memory.handlers[wire::cast_forward_reply]({NodeId(2), {}}, the_group, reply);
  world.run_until_idle();
  EXPECT_EQ(refused.size(), 1U);
}

}  // namespace
}  // namespace aspen
