// Changes of the membership and of the leadership as clients of both services see them.
#include <grpcpp/grpcpp.h>

#include "aspen/v1/cluster.grpc.pb.h"
#include "etcd/rpc.grpc.pb.h"
#include "tests/adapter/grpc/server_fixture.h"

namespace aspen::adapter {
namespace {

using ::grpc::StatusCode;
using wire::Objection;

Member member_of(std::uint64_t id, Role role, Incarnation incarnation) {
  return {{NodeId(id), incarnation},
          role,
          "n" + std::to_string(id),
          "h" + std::to_string(id) + ":2380",
          {"h" + std::to_string(id) + ":2379"}};
}

Config two_voters_and_a_learner() {
  Config config;
  config.members.push_back(member_of(1, Role::voter, {1, 1}));
  config.members.push_back(member_of(2, Role::voter, {2, 2}));
  config.members.push_back(member_of(3, Role::learner, {3, 3}));
  return config;
}

class Membership : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    aspen = aspen::v1::Cluster::NewStub(channel);
    etcd = etcdserverpb::Cluster::NewStub(channel);
    maintenance = etcdserverpb::Maintenance::NewStub(channel);
    auto& view = service.node_view;
    view.phase = gateway::Phase::running;
    view.self = {NodeId(1), {1, 1}};
    view.config = two_voters_and_a_learner();
    view.raft.soft = {raft::RoleState::leader, NodeId(1), Term(7), false};
    view.raft.config = {Term(6), Index(60)};
    view.raft.last = {Term(7), Index(90)};
    service.on_change_membership = [this](gateway::MembershipRequest request, gateway::Deadline,
                                          gateway::Done<gateway::MembershipResult> done) {
      seen = std::move(request);
      ++changes;
      if (error.code != Code::ok) return done(refusal<gateway::MembershipResult>(error));
      done(reply(gateway::MembershipResult{{{Term(7), Index(70)}, two_voters_and_a_learner()},
                                           NodeId(3)}));
    };
    service.on_transfer_leadership = [this](NodeId to, gateway::Deadline,
                                            gateway::Done<gateway::TransferResult> done) {
      transfer_to = to;
      if (error.code != Code::ok) return done(refusal<gateway::TransferResult>(error));
      done(reply(gateway::TransferResult{NodeId(2), Term(8)}));
    };
  }

  // A method of a stub, called with a context of its own.
  template <class Stub, class Request, class Response>
  ::grpc::Status call(Stub& stub,
                      ::grpc::Status (Stub::*method)(::grpc::ClientContext*, const Request&,
                                                     Response*),
                      const Request& request, Response& response) {
    ::grpc::ClientContext context;
    return (stub.*method)(&context, request, &response);
  }
  ::grpc::Status add_learner(const aspen::v1::AddLearnerRequest& request) {
    ::grpc::ClientContext context;
    return aspen->AddLearner(&context, request, &added);
  }
  ::grpc::Status remove_node(std::uint64_t id) {
    aspen::v1::RemoveNodeRequest request;
    request.mutable_expect()->set_index(60);
    request.set_node_id(id);
    aspen::v1::RemoveNodeResponse response;
    ::grpc::ClientContext context;
    return aspen->RemoveNode(&context, request, &response);
  }
  ::grpc::Status change_voters(const std::vector<std::uint64_t>& voters) {
    aspen::v1::ChangeMembershipRequest request;
    request.mutable_expect()->set_index(60);
    for (const std::uint64_t id : voters) request.add_voters(id);
    request.set_leaving(aspen::v1::ChangeMembershipRequest::LEAVING_LEARNER);
    ::grpc::ClientContext context;
    return aspen->ChangeMembership(&context, request, &changed);
  }
  ::grpc::Status member_add(const std::string& url, bool learner = false) {
    etcdserverpb::MemberAddRequest request;
    if (!url.empty()) request.add_peerurls(url);
    request.set_islearner(learner);
    ::grpc::ClientContext context;
    return etcd->MemberAdd(&context, request, &etcd_added);
  }
  ::grpc::Status member_remove(std::uint64_t id) {
    etcdserverpb::MemberRemoveRequest request;
    request.set_id(id);
    etcdserverpb::MemberRemoveResponse response;
    ::grpc::ClientContext context;
    return etcd->MemberRemove(&context, request, &response);
  }
  ::grpc::Status member_promote(std::uint64_t id) {
    etcdserverpb::MemberPromoteRequest request;
    request.set_id(id);
    etcdserverpb::MemberPromoteResponse response;
    ::grpc::ClientContext context;
    return etcd->MemberPromote(&context, request, &response);
  }
  ::grpc::Status move_leader(std::uint64_t id) {
    etcdserverpb::MoveLeaderRequest request;
    request.set_targetid(id);
    etcdserverpb::MoveLeaderResponse response;
    ::grpc::ClientContext context;
    return maintenance->MoveLeader(&context, request, &response);
  }
  static aspen::v1::AddLearnerRequest learner_request() {
    aspen::v1::AddLearnerRequest request;
    request.mutable_expect()->set_term(6);
    request.mutable_expect()->set_index(60);
    request.mutable_member()->set_name("n3");
    request.mutable_member()->set_peer_address("h3:2380");
    request.mutable_member()->add_client_addresses("h3:2379");
    return request;
  }

  std::unique_ptr<aspen::v1::Cluster::Stub> aspen;
  std::unique_ptr<etcdserverpb::Cluster::Stub> etcd;
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
  gateway::MembershipRequest seen;
  int changes = 0;
  NodeId transfer_to;
  Error error;
  aspen::v1::AddLearnerResponse added;
  aspen::v1::ChangeMembershipResponse changed;
  etcdserverpb::MemberAddResponse etcd_added;
};

TEST_F(Membership, AddLearnerBindsAtOnceAndFollowsWhatIsExpected) {
  const auto status = add_learner(learner_request());
  ASSERT_TRUE(status.ok()) << status.error_message();
  const auto& add = std::get<gateway::AddMember>(seen.what);
  EXPECT_EQ(add.name, "n3");
  EXPECT_EQ(add.peer_address, "h3:2380");
  EXPECT_EQ(add.role, Role::learner);
  EXPECT_EQ(add.binding, gateway::Binding::at_once);
  EXPECT_EQ(seen.expect, (LogId{Term(6), Index(60)}));
  EXPECT_EQ(added.config_id().index(), 70U);
  EXPECT_EQ(added.member().node_id(), 3U);
  EXPECT_EQ(added.member().role(), aspen::v1::MEMBER_ROLE_LEARNER);
}

TEST_F(Membership, AChangeWithoutWhatItNeedsIsRefusedBeforeTheGateway) {
  auto without = learner_request();
  without.clear_expect();
  EXPECT_EQ(add_learner(without).error_code(), StatusCode::INVALID_ARGUMENT);
  auto unnamed = learner_request();
  unnamed.mutable_member()->clear_name();
  EXPECT_EQ(add_learner(unnamed).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(remove_node(0).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(change_voters({}).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(change_voters({1, 2, 1}).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(change_voters({0, 1}).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(change_voters({1, 2, 3, 4, 5, 6, 7, 8}).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(changes, 0);
}

TEST_F(Membership, ChangeMembershipNamesTheVotersAndAnswersWithTheFinalConfiguration) {
  ASSERT_TRUE(change_voters({3, 1}).ok());
  const auto& change = std::get<gateway::ChangeVoters>(seen.what);
  EXPECT_EQ(change.voters, (std::vector<NodeId>{NodeId(1), NodeId(3)}));
  EXPECT_EQ(change.leaving, gateway::Leaving::learner);
  EXPECT_EQ(changed.config_id().index(), 70U);
  EXPECT_EQ(changed.members_size(), 3);
}

// Goal: what aspen.v1 answers for each reason a change can be refused for.
TEST_F(Membership, EachRefusalHasItsStatus) {
  struct Row {
    Error error;
    StatusCode code;
  };
  const auto detailed = [](raft::Refusal refusal) {
    return wire::error_of(wire::ControlRefusal{refusal, Objection::none});
  };
  const Row rows[] = {
      {detailed(raft::Refusal::stale_expect), StatusCode::ABORTED},
      {detailed(raft::Refusal::not_caught_up), StatusCode::FAILED_PRECONDITION},
      {detailed(raft::Refusal::change_in_flight), StatusCode::UNAVAILABLE},
      {detailed(raft::Refusal::leader_is_new), StatusCode::UNAVAILABLE},
      {detailed(raft::Refusal::transferring), StatusCode::UNAVAILABLE},
      {detailed(raft::Refusal::no_voter), StatusCode::INVALID_ARGUMENT},
      {detailed(raft::Refusal::too_many_voters), StatusCode::INVALID_ARGUMENT},
      {detailed(raft::Refusal::incarnation_changed), StatusCode::FAILED_PRECONDITION},
      {wire::error_of(Objection::last_voter), StatusCode::FAILED_PRECONDITION},
      {wire::error_of(Objection::unknown_member), StatusCode::NOT_FOUND},
      {wire::error_of(Objection::not_empty), StatusCode::FAILED_PRECONDITION},
      {wire::error_of(Objection::not_reached), StatusCode::UNAVAILABLE},
      {wire::error_of(Objection::busy), StatusCode::UNAVAILABLE},
      {wire::error_of(Objection::bad_member), StatusCode::INVALID_ARGUMENT},
      {wire::error_of(Objection::draining), StatusCode::UNAVAILABLE},
      {wire::error_of(Objection::outcome_unknown), StatusCode::UNKNOWN},
      {Error{Code::timed_out, "no answer in time"}, StatusCode::UNKNOWN},
      {Error{Code::no_leader, "nobody leads"}, StatusCode::UNAVAILABLE},
      {Error{Code::uninitialised, "no cluster yet"}, StatusCode::FAILED_PRECONDITION},
  };
  for (const Row& row : rows) {
    error = row.error;
    const auto status = remove_node(2);
    EXPECT_EQ(status.error_code(), row.code) << row.error.what;
    EXPECT_EQ(status.error_message(), row.error.what);
  }
}

TEST_F(Membership, TransferLeadershipNamesTheNewLeader) {
  aspen::v1::TransferLeadershipRequest request;
  request.set_node_id(2);
  aspen::v1::TransferLeadershipResponse response;
  ::grpc::ClientContext context;
  ASSERT_TRUE(aspen->TransferLeadership(&context, request, &response).ok());
  EXPECT_EQ(transfer_to, NodeId(2));
  EXPECT_EQ(response.leader().name(), "n2");
  EXPECT_EQ(response.leader().client_addresses(0), "h2:2379");
  EXPECT_EQ(response.term(), 8U);
}

TEST_F(Membership, ATransferThatWasNotSeenToEndIsUnknown) {
  error = wire::error_of(Objection::transfer_failed);
  aspen::v1::TransferLeadershipResponse response;
  ::grpc::ClientContext context;
  EXPECT_EQ(aspen->TransferLeadership(&context, {}, &response).error_code(), StatusCode::UNKNOWN);
}

TEST_F(Membership, DrainPassesItsRefusalOn) {
  aspen::v1::DrainResponse response;
  service.on_drain = [](gateway::Deadline, auto done) { done(reply(gateway::DrainResult{})); };
  ::grpc::ClientContext c1;
  EXPECT_TRUE(aspen->Drain(&c1, {}, &response).ok());
  service.on_drain = [](gateway::Deadline, auto done) {
    done(refusal<gateway::DrainResult>({Code::failed_precondition, "nobody can take over"}));
  };
  ::grpc::ClientContext c2;
  const auto status = aspen->Drain(&c2, {}, &response);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "nobody can take over");
}

TEST_F(Membership, EtcdsMemberAddIsBoundLater) {
  ASSERT_TRUE(member_add("http://h9:2380").ok());
  const auto& add = std::get<gateway::AddMember>(seen.what);
  EXPECT_EQ(add.peer_address, "h9:2380");
  EXPECT_EQ(add.role, Role::voter);
  EXPECT_EQ(add.binding, gateway::Binding::later);
  EXPECT_FALSE(seen.expect);
  EXPECT_EQ(etcd_added.header().revision(), 0);
  EXPECT_EQ(etcd_added.member().id(), 3U);
  EXPECT_EQ(etcd_added.members_size(), 3);
  ASSERT_TRUE(member_add("https://h9:2380", true).ok());
  EXPECT_EQ(std::get<gateway::AddMember>(seen.what).role, Role::learner);
}

TEST_F(Membership, EtcdsMemberAddRefusesUrlsThatAreNone) {
  for (const char* url : {"", "h9:2380", "http://h9", "http://:2380", "http://h9:x", "ftp://h:1",
                          "http://h9:2380/path"}) {
    const auto status = member_add(url);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << url;
    EXPECT_EQ(status.error_message(), "etcdserver: given member URLs are invalid") << url;
  }
  const auto taken = member_add("http://h2:2380");
  EXPECT_EQ(taken.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(taken.error_message(), "etcdserver: Peer URLs already exists");
  EXPECT_EQ(changes, 0);
}

// A member that no data directory is bound to is not started.
TEST_F(Membership, EtcdRefusesWhatWouldLeaveNoStartedMajority) {
  const char* text = "etcdserver: re-configuration failed due to not enough started members";
  auto& config = service.node_view.config;
  config.members[1].peer.incarnation = {};
  EXPECT_EQ(member_add("http://h9:2380").error_message(), text);
  EXPECT_EQ(member_remove(1).error_message(), text);
  EXPECT_EQ(changes, 0);
  EXPECT_TRUE(member_add("http://h9:2380", true).ok());
  EXPECT_TRUE(member_remove(2).ok());
  config.members.erase(config.members.begin() + 1);
  EXPECT_TRUE(member_add("http://h9:2380").ok());
  const auto last = member_remove(1);
  EXPECT_EQ(last.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(last.error_message(), text);
}

// Goal: etcd's texts and codes, byte by byte, for what the gateway says.
TEST_F(Membership, EtcdsTextsForWhatTheGatewayRefuses) {
  struct Row {
    Error error;
    StatusCode code;
    const char* text;
  };
  const auto detailed = [](raft::Refusal refusal) {
    return wire::error_of(wire::ControlRefusal{refusal, Objection::none});
  };
  const Row rows[] = {
      {wire::error_of(Objection::unknown_member), StatusCode::NOT_FOUND,
       "etcdserver: member not found"},
      {wire::error_of(Objection::not_learner), StatusCode::FAILED_PRECONDITION,
       "etcdserver: can only promote a learner member"},
      {detailed(raft::Refusal::not_caught_up), StatusCode::FAILED_PRECONDITION,
       "etcdserver: can only promote a learner member which is in sync with leader"},
      {detailed(raft::Refusal::too_many_members), StatusCode::FAILED_PRECONDITION,
       "etcdserver: too many learner members in cluster"},
      {wire::error_of(Objection::address_taken), StatusCode::FAILED_PRECONDITION,
       "etcdserver: Peer URLs already exists"},
      {wire::error_of(Objection::bad_member), StatusCode::INVALID_ARGUMENT,
       "etcdserver: given member URLs are invalid"},
      {wire::error_of(Objection::last_voter), StatusCode::FAILED_PRECONDITION,
       "etcdserver: re-configuration failed due to not enough started members"},
      {Error{Code::no_leader, "nobody leads"}, StatusCode::UNAVAILABLE, "etcdserver: no leader"},
      {Error{Code::timed_out, "x"}, StatusCode::UNAVAILABLE, "etcdserver: request timed out"},
  };
  for (const Row& row : rows) {
    error = row.error;
    const auto status = member_promote(3);
    EXPECT_EQ(status.error_code(), row.code) << row.text;
    EXPECT_EQ(status.error_message(), row.text);
  }
}

TEST_F(Membership, EtcdsMemberUpdateChangesTheAddressAlone) {
  etcdserverpb::MemberUpdateRequest request;
  request.set_id(2);
  request.add_peerurls("http://h22:2380");
  etcdserverpb::MemberUpdateResponse response;
  ::grpc::ClientContext context;
  ASSERT_TRUE(etcd->MemberUpdate(&context, request, &response).ok());
  EXPECT_EQ(std::get<gateway::UpdateMember>(seen.what),
            (gateway::UpdateMember{NodeId(2), "h22:2380", {}}));
  EXPECT_EQ(response.members_size(), 3);
}

TEST_F(Membership, MoveLeaderIsTheLeadersAndGoesToAVoter) {
  EXPECT_TRUE(move_leader(2).ok());
  EXPECT_EQ(transfer_to, NodeId(2));
  for (const std::uint64_t id : {0, 3, 99}) {
    const auto status = move_leader(id);
    EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(status.error_message(), "etcdserver: bad leader transferee");
  }
  error = wire::error_of(wire::ControlRefusal{raft::Refusal::no_target, Objection::none});
  EXPECT_EQ(move_leader(2).error_message(), "etcdserver: bad leader transferee");
  service.node_view.raft.soft.role = raft::RoleState::follower;
  const auto status = move_leader(2);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "etcdserver: not leader");
}

}  // namespace
}  // namespace aspen::adapter
