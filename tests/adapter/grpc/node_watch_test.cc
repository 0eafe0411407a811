#include <grpcpp/grpcpp.h>

#include <mutex>
#include <vector>

#include "aspen/v1/cluster.grpc.pb.h"
#include "node/base/limits.h"
#include "tests/adapter/grpc/server_fixture.h"

namespace aspen::adapter {
namespace {

using aspen::v1::WatchNodesResponse;
using ::grpc::StatusCode;

class NodeWatches : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    cluster = aspen::v1::Cluster::NewStub(channel);
    auto& view = service.node_view;
    view.phase = gateway::Phase::running;
    view.self = {NodeId(1), {1, 1}};
    view.config.members.push_back({{NodeId(1), {1, 1}}, Role::voter, "n1", "h:1", {"h:2"}});
    view.config.members.push_back({{NodeId(2), {2, 2}}, Role::voter, "n2", "h:3", {"h:4"}});
    view.config.members.push_back({{NodeId(3), {3, 3}}, Role::learner, "n3", "h:5", {"h:6"}});
    view.raft.soft = {raft::RoleState::leader, NodeId(1), Term(7), false};
    view.raft.config = {Term(6), Index(60)};
    view.raft.last = {Term(7), Index(90)};
    view.raft.peers.push_back(peer(2, 88, true));
    view.raft.peers.push_back(peer(3, 20, false));
  }
  static raft::PeerMetrics peer(std::uint64_t id, std::uint64_t match, bool active) {
    raft::PeerMetrics metrics;
    metrics.peer = {NodeId(id), {id, id}};
    metrics.match = Index(match);
    metrics.active = active;
    return metrics;
  }
  auto watch(::grpc::ClientContext& context) { return cluster->WatchNodes(&context, {}); }

  std::unique_ptr<aspen::v1::Cluster::Stub> cluster;
};

TEST_F(NodeWatches, ThePresentViewComesFirst) {
  ::grpc::ClientContext context;
  auto stream = watch(context);
  WatchNodesResponse seen;
  ASSERT_TRUE(stream->Read(&seen));
  EXPECT_EQ(seen.config_id().index(), 60U);
  EXPECT_EQ(seen.leader().name(), "n1");
  EXPECT_EQ(seen.term(), 7U);
  ASSERT_EQ(seen.nodes_size(), 3);
  EXPECT_EQ(seen.nodes(0).link(), aspen::v1::NodeStatus::LINK_SELF);
  EXPECT_EQ(seen.nodes(0).match_index(), 90U);
  EXPECT_EQ(seen.nodes(1).link(), aspen::v1::NodeStatus::LINK_UP);
  EXPECT_EQ(seen.nodes(1).match_index(), 88U);
  EXPECT_EQ(seen.nodes(2).link(), aspen::v1::NodeStatus::LINK_DOWN);
  EXPECT_EQ(seen.nodes(2).member().role(), aspen::v1::MEMBER_ROLE_LEARNER);
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
}

TEST_F(NodeWatches, EachChangeIsTold) {
  ::grpc::ClientContext context;
  auto stream = watch(context);
  WatchNodesResponse seen;
  ASSERT_TRUE(stream->Read(&seen));
  service.change_view([](gateway::NodeView& view) { view.raft.soft.term = Term(8); });
  ASSERT_TRUE(stream->Read(&seen));
  EXPECT_EQ(seen.term(), 8U);
  service.change_view([](gateway::NodeView& view) { view.config.members.pop_back(); });
  ASSERT_TRUE(stream->Read(&seen));
  EXPECT_EQ(seen.nodes_size(), 2);
}

TEST_F(NodeWatches, ADrainedNodeEndsItsStreams) {
  ::grpc::ClientContext context;
  auto stream = watch(context);
  WatchNodesResponse seen;
  ASSERT_TRUE(stream->Read(&seen));
  service.change_view([](gateway::NodeView& view) { view.phase = gateway::Phase::draining; });
  EXPECT_FALSE(stream->Read(&seen));
  const auto status = stream->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the node is drained: ask another one");
}

TEST_F(NodeWatches, AStopEndsTheStreamsWithItsReason) {
  ::grpc::ClientContext context;
  auto stream = watch(context);
  WatchNodesResponse seen;
  ASSERT_TRUE(stream->Read(&seen));
  server->stop(std::chrono::seconds(20));
  EXPECT_FALSE(stream->Read(&seen));
  const auto status = stream->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the node is stopping");
}

// Goal: a gateway that does not answer holds up neither a cancelled stream nor the server's stop.
TEST_F(NodeWatches, ACancelledStreamDoesNotWaitForTheGateway) {
  std::mutex mutex;
  std::vector<gateway::Done<gateway::NodeView>> held;
  service.on_view = [&](gateway::Done<gateway::NodeView> done) {
    const std::lock_guard lock(mutex);
    held.push_back(std::move(done));
  };
  ::grpc::ClientContext context;
  auto stream = watch(context);
  for (std::size_t count = 0; count == 0;) {
    const std::lock_guard lock(mutex);
    count = held.size();
  }
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  server->stop(Duration::zero());
  server.reset();
  for (auto& done : held) done(reply(gateway::NodeView{}));
}

// Goal: streams are bounded, and a cancelled one makes room.
TEST_F(NodeWatches, StreamsAreBoundedAndFreed) {
  std::vector<std::unique_ptr<::grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<::grpc::ClientReader<WatchNodesResponse>>> streams;
  WatchNodesResponse seen;
  for (std::size_t i = 0; i < limits::node_watches_max; ++i) {
    contexts.push_back(std::make_unique<::grpc::ClientContext>());
    streams.push_back(watch(*contexts.back()));
    ASSERT_TRUE(streams.back()->Read(&seen)) << i;
  }
  ::grpc::ClientContext beyond;
  auto refused = watch(beyond);
  EXPECT_FALSE(refused->Read(&seen));
  EXPECT_EQ(refused->Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  contexts.front()->TryCancel();
  EXPECT_EQ(streams.front()->Finish().error_code(), StatusCode::CANCELLED);
  // The client knows of the end before the server has let go.
  for (bool accepted = false; !accepted;) {
    ::grpc::ClientContext again;
    accepted = watch(again)->Read(&seen);
    again.TryCancel();
  }
  for (auto& context : contexts) context->TryCancel();
}

}  // namespace
}  // namespace aspen::adapter
