#include <grpcpp/grpcpp.h>

#include "aspen/v1/cluster.grpc.pb.h"
#include "tests/adapter/grpc/server_fixture.h"

namespace aspen::adapter {
namespace {

using ::grpc::StatusCode;

Config one_member() {
  Config config;
  config.members.push_back({{NodeId(1), {1, 2}}, Role::voter, "n1", "h:2380", {"h:2379"}});
  return config;
}

class AspenCluster : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    cluster = aspen::v1::Cluster::NewStub(channel);
    service.on_init = [this](gateway::InitRequest request, gateway::Deadline, auto done) {
      init_seen = std::move(request);
      if (init_error.code != Code::ok) {
        done(refusal<gateway::InitResult>(init_error));
      } else {
        done(reply(gateway::InitResult{ClusterId(9), one_member()}));
      }
    };
  }
  static aspen::v1::InitRequest init_request() {
    aspen::v1::InitRequest request;
    auto& member = *request.add_members();
    member.set_name("n1");
    member.set_peer_address("h:2380");
    member.add_client_addresses("h:2379");
    return request;
  }
  ::grpc::Status init(const aspen::v1::InitRequest& request) {
    ::grpc::ClientContext context;
    return cluster->Init(&context, request, &init_response);
  }

  std::unique_ptr<aspen::v1::Cluster::Stub> cluster;
  gateway::InitRequest init_seen;
  Error init_error;
  aspen::v1::InitResponse init_response;
};

TEST_F(AspenCluster, InitPassesTheMembersOn) {
  auto request = init_request();
  request.set_cluster_id(77);
  const auto status = init(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(init_seen.cluster, ClusterId(77));
  ASSERT_EQ(init_seen.members.size(), 1U);
  EXPECT_EQ(init_seen.members[0].name, "n1");
  EXPECT_EQ(init_response.cluster_id(), 9U);
  EXPECT_EQ(init_response.members(0).incarnation(), "00000000000000010000000000000002");
}

TEST_F(AspenCluster, InitRefusesWhatCannotBeAMember) {
  EXPECT_EQ(init({}).error_code(), StatusCode::INVALID_ARGUMENT);
  auto unnamed = init_request();
  unnamed.mutable_members(0)->clear_name();
  EXPECT_EQ(init(unnamed).error_message(), "a member's name has 1 to 255 bytes");
  auto no_client = init_request();
  no_client.mutable_members(0)->clear_client_addresses();
  EXPECT_EQ(init(no_client).error_code(), StatusCode::INVALID_ARGUMENT);
  auto too_many = init_request();
  for (int i = 0; i < 7; ++i) *too_many.add_members() = too_many.members(0);
  EXPECT_EQ(init(too_many).error_message(), "a new cluster has 1 to 7 members");
  EXPECT_TRUE(init_seen.members.empty());
}

TEST_F(AspenCluster, ARefusalKeepsItsReason) {
  init_error = {Code::unavailable, "n2 does not answer"};
  const auto status = init(init_request());
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "n2 does not answer");
}

TEST_F(AspenCluster, StateAnswersBeforeInit) {
  service.node_view.name = "n1";
  service.node_health = {true, false, "no cluster yet"};
  aspen::v1::StateResponse state;
  ::grpc::ClientContext context;
  ASSERT_TRUE(cluster->State(&context, {}, &state).ok());
  EXPECT_EQ(state.state(), aspen::v1::NODE_STATE_UNINITIALISED);
  EXPECT_FALSE(state.has_leader());
  EXPECT_EQ(state.version(), "9.8.7");
  EXPECT_EQ(state.reason(), "no cluster yet");
}

TEST_F(AspenCluster, StateNamesTheLeader) {
  auto& view = service.node_view;
  view.phase = gateway::Phase::running;
  view.self = {NodeId(1), {1, 2}};
  view.config = one_member();
  view.raft.soft = {raft::RoleState::leader, NodeId(1), Term(3)};
  view.raft.config = {Term(1), Index(1)};
  service.node_health = {true, true, ""};
  aspen::v1::StateResponse state;
  ::grpc::ClientContext context;
  ASSERT_TRUE(cluster->State(&context, {}, &state).ok());
  EXPECT_EQ(state.leader().name(), "n1");
  EXPECT_EQ(state.leader().client_addresses(0), "h:2379");
  EXPECT_EQ(state.raft_state(), aspen::v1::RAFT_STATE_LEADER);
  EXPECT_EQ(state.role(), aspen::v1::MEMBER_ROLE_VOTER);
  EXPECT_EQ(state.reason(), "");
  EXPECT_EQ(state.config_id().term(), 1U);
  EXPECT_EQ(state.config_id().index(), 1U);
}

TEST_F(AspenCluster, MetricsShowEachPeersMatch) {
  auto& view = service.node_view;
  view.phase = gateway::Phase::running;
  view.raft.applied = {Term(2), Index(8)};
  view.raft.commit = {Term(3), Index(9)};
  view.raft.last = {Term(3), Index(11)};
  view.raft.vote = PeerId{NodeId(1), {1, 2}};
  raft::PeerMetrics peer;
  peer.peer = {NodeId(2), {3, 4}};
  peer.match = Index(10);
  peer.next = Index(11);
  peer.active = true;
  peer.in_flight_bytes = 100;
  view.raft.peers.push_back(peer);
  aspen::v1::MetricsResponse metrics;
  ::grpc::ClientContext context;
  ASSERT_TRUE(cluster->Metrics(&context, {}, &metrics).ok());
  EXPECT_EQ(metrics.applied().index(), 8U);
  EXPECT_EQ(metrics.applied().term(), 2U);
  EXPECT_EQ(metrics.commit().term(), 3U);
  EXPECT_EQ(metrics.last().term(), 3U);
  EXPECT_EQ(metrics.vote(), 1U);
  EXPECT_EQ(metrics.peers(0).match_index(), 10U);
}

TEST_F(AspenCluster, PingReturnsItsPayloadUpToALimit) {
  aspen::v1::PingRequest request;
  request.set_payload("abc");
  aspen::v1::PingResponse response;
  ::grpc::ClientContext c1;
  ASSERT_TRUE(cluster->Ping(&c1, request, &response).ok());
  EXPECT_EQ(response.payload(), "abc");
  request.set_payload(std::string(1025, 'x'));
  ::grpc::ClientContext c2;
  EXPECT_EQ(cluster->Ping(&c2, request, &response).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(AspenCluster, NodeIdTellsTheIncarnation) {
  service.node_view.self = {NodeId(1), {1, 2}};
  aspen::v1::NodeIdResponse response;
  ::grpc::ClientContext context;
  ASSERT_TRUE(cluster->NodeId(&context, {}, &response).ok());
  EXPECT_EQ(response.node_id(), 1U);
  EXPECT_EQ(response.incarnation(), "00000000000000010000000000000002");
}

}  // namespace
}  // namespace aspen::adapter
