// aspen.v1.Actors: what it shows, and who may end an actor.
#include <gtest/gtest.h>

#include "aspen/v1/actors.grpc.pb.h"
#include "tests/adapter/grpc/server_fixture.h"
#include "tests/support/temporary_folder.h"

namespace aspen::adapter {
namespace {

using ::grpc::StatusCode;

class FakeActors final : public gateway::Actors {
 public:
  [[nodiscard]] Result<std::vector<gateway::ActorLine>> tree(std::uint64_t root) const override {
    if (root > 2) return fail(Code::not_found, "none");
    gateway::ActorLine line;
    line.id = 2;
    line.parent = 1;
    line.name = "raft";
    line.type = "RaftActor";
    line.restarts = 3;
    line.depth = 4;
    line.mailbox_max = 5;
    line.worker = 6;
    line.state = gateway::ActorState::restarting;
    return std::vector<gateway::ActorLine>{line};
  }
  [[nodiscard]] Result<gateway::ActorLine> end(const gateway::ActorKey& key,
                                               gateway::EndAs how) override {
    ended.emplace_back(key, how);
    return tree(0)->front();
  }
  std::vector<std::pair<gateway::ActorKey, gateway::EndAs>> ended;
};

class ActorsServiceTest : public ServerFixture {
 protected:
  void SetUp() override {
    options.control_socket = folder.path() + "/control.sock";
    auto started =
        GrpcServer::start(options, {service, clock, telemetry, nullptr, nullptr, &actors});
    ASSERT_TRUE(started) << started.error().what;
    server = std::move(*started);
    remote = stub_to(address());
    local = stub_to("unix:" + options.control_socket);
  }
  static std::unique_ptr<aspen::v1::Actors::Stub> stub_to(const std::string& where) {
    return aspen::v1::Actors::NewStub(
        ::grpc::CreateChannel(where, ::grpc::InsecureChannelCredentials()));
  }
  static ::grpc::Status kill(aspen::v1::Actors::Stub& stub, const aspen::v1::KillRequest& request) {
    ::grpc::ClientContext context;
    aspen::v1::KillResponse response;
    return stub.Kill(&context, request, &response);
  }
  static aspen::v1::KillRequest kill_request(const std::string& name) {
    aspen::v1::KillRequest request;
    request.mutable_actor()->set_name(name);
    request.set_how(aspen::v1::KillRequest::HOW_FAIL);
    return request;
  }

  support::TemporaryFolder folder;
  FakeActors actors;
  std::unique_ptr<aspen::v1::Actors::Stub> remote;
  std::unique_ptr<aspen::v1::Actors::Stub> local;
};

TEST_F(ActorsServiceTest, TheTreeIsShownOnEveryPort) {
  service.node_view.self.id = NodeId(7);
  for (const auto* stub : {&remote, &local}) {
    ::grpc::ClientContext context;
    aspen::v1::TreeResponse response;
    ASSERT_TRUE((*stub)->Tree(&context, {}, &response).ok());
    EXPECT_EQ(response.node_id(), 7U);
    ASSERT_EQ(response.actors_size(), 1);
    const aspen::v1::Actor& actor = response.actors(0);
    EXPECT_EQ(actor.id(), 2U);
    EXPECT_EQ(actor.parent(), 1U);
    EXPECT_EQ(actor.name(), "raft");
    EXPECT_EQ(actor.kind(), "RaftActor");
    EXPECT_EQ(actor.state(), aspen::v1::ACTOR_STATE_RESTARTING);
    EXPECT_EQ(actor.restarts(), 3U);
    EXPECT_EQ(actor.mailbox(), 4U);
    EXPECT_EQ(actor.mailbox_max(), 5U);
    EXPECT_EQ(actor.worker(), 6U);
  }
  ::grpc::ClientContext context;
  aspen::v1::TreeRequest request;
  aspen::v1::TreeResponse response;
  request.set_root(99);
  EXPECT_EQ(remote->Tree(&context, request, &response).error_code(), StatusCode::NOT_FOUND);
}

// A tree that heals is when one looks: a replica that does not answer does not hide it.
TEST_F(ActorsServiceTest, TheTreeDoesNotWaitForAReplicaThatDoesNotAnswer) {
  service.on_view = [](gateway::Done<gateway::NodeView> done) {
    done(refusal<gateway::NodeView>(Error{Code::timed_out, "no answer in time"}));
  };
  ::grpc::ClientContext context;
  aspen::v1::TreeResponse response;
  ASSERT_TRUE(remote->Tree(&context, {}, &response).ok());
  EXPECT_EQ(response.actors_size(), 1);
  EXPECT_EQ(response.node_id(), 0U);
}

TEST_F(ActorsServiceTest, AnActorIsEndedThroughTheControlSocketAlone) {
  EXPECT_EQ(kill(*remote, kill_request("raft")).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(actors.ended.empty());
  EXPECT_TRUE(kill(*local, kill_request("raft")).ok());
  ASSERT_EQ(actors.ended.size(), 1U);
  EXPECT_EQ(actors.ended[0].first, gateway::ActorKey(std::string("raft")));
  EXPECT_EQ(actors.ended[0].second, gateway::EndAs::failed);
}

TEST_F(ActorsServiceTest, AKillSaysWhomAndHow) {
  aspen::v1::KillRequest nobody = kill_request("raft");
  nobody.clear_actor();
  EXPECT_EQ(kill(*local, nobody).error_code(), StatusCode::INVALID_ARGUMENT);
  aspen::v1::KillRequest somehow = kill_request("raft");
  somehow.clear_how();
  EXPECT_EQ(kill(*local, somehow).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(actors.ended.empty());
}

}  // namespace
}  // namespace aspen::adapter
