// Clusters of real actors that change while clients write: members come and go, the leadership
// moves, and what was acknowledged stays. Links are those that the replicas ask for: who is no
// member is not heard.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "node/replica/membership_plan.h"
#include "tests/replica/sim_cluster.h"

namespace aspen::replica {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::Objection;

constexpr std::uint64_t seed = 21;

std::string address_of(const SimNode& node) {
  return node.identity.identity->name + ":2380";
}

wire::MembershipRequest add_learner(const SimNode& node) {
  return {wire::AddMember{{}, address_of(node), {}, Role::learner, wire::Binding::at_once, {}}, {}};
}

class Changes : public ::testing::Test {
 protected:
  explicit Changes(std::size_t nodes = 5) : cluster(nodes, seed) {}

  // The answer to a request at a node. Clients go on writing meanwhile.
  Result<ControlAnswer> ask(std::size_t at, decltype(Control::what) what,
                            Duration timeout = seconds(10)) {
    const auto slot = cluster.at(at).control(std::move(what), timeout);
    EXPECT_TRUE(run([&] { return slot->has_value(); }));
    return slot->has_value() ? **slot : Result<ControlAnswer>(fail(Code::timed_out, "no answer"));
  }
  Result<wire::MembershipResult> change(std::size_t at, wire::MembershipRequest request) {
    Result<ControlAnswer> answer = ask(at, std::move(request));
    if (!answer) return tl::unexpected<Error>(answer.error());
    return std::get<wire::MembershipResult>(answer->result);
  }
  void add(std::size_t node, std::size_t at = 0) {
    const auto added = change(at, add_learner(cluster.at(node)));
    ASSERT_TRUE(added.has_value()) << added.error().what;
    ASSERT_TRUE(run([&] { return cluster.at(node).identity.identity->initialised(); }));
  }
  // Sets the voters, as soon as the new ones have caught up.
  Result<wire::MembershipResult> set_voters(std::size_t at, const std::vector<std::size_t>& nodes) {
    wire::ChangeVoters voters;
    for (const std::size_t node : nodes) voters.voters.push_back(cluster.at(node).id());
    Result<wire::MembershipResult> result = fail(Code::timed_out, "not tried");
    EXPECT_TRUE(run([&] {
      result = change(at, {voters, {}});
      return result.has_value() || result.error().code != Code::failed_precondition;
    }));
    return result;
  }

  // Runs until the condition holds, with a write under way at `writer` at any time.
  bool run(const std::function<bool()>& condition) {
    return cluster.run_until([&] {
      pump();
      return condition();
    });
  }
  void pump() {
    if (!writing) return;
    if (pending != nullptr && !pending->has_value()) return;
    if (pending != nullptr) {
      if (**pending) {
        ++acknowledged;
      } else {
        errors.push_back((**pending).error());
      }
    }
    pending = cluster.at(writer).put("k" + std::to_string(acknowledged), "v", seconds(10));
  }
  // Every acknowledged write is read back, at each of these nodes.
  void expect_all_at(const std::vector<std::size_t>& nodes) {
    writing = false;
    for (const std::size_t node : nodes) {
      for (const std::size_t key : {std::size_t{0}, acknowledged / 2, acknowledged - 1}) {
        const auto slot = cluster.at(node).get("k" + std::to_string(key), seconds(10));
        ASSERT_TRUE(cluster.run_until([&] { return slot->has_value(); }));
        ASSERT_TRUE((*slot)->has_value()) << (**slot).error().what;
        EXPECT_EQ(std::get<kv::RangeResponse>((**slot)->result).kvs.size(), 1U) << node;
      }
    }
  }
  std::size_t voters_at(std::size_t node) {
    std::size_t count = 0;
    for (const Member& member : cluster.at(node).view().config.members) {
      if (member.role == Role::voter) ++count;
    }
    return count;
  }

  SimCluster cluster;
  bool writing = true;
  std::size_t writer = 0;
  SimNode::Answer pending;
  std::size_t acknowledged = 0;
  std::vector<Error> errors;
};

// Method: 1 -> 3 -> 5 -> 3 -> 1 through learners, asked at changing nodes, with a client of node 0
// that writes all the time.
TEST_F(Changes, AClusterGrowsAndShrinksUnderLoadWithNothingLost) {
  cluster.init(1);
  for (const std::size_t node : {1U, 2U}) add(node);
  ASSERT_TRUE(set_voters(1, {0, 1, 2}).has_value());
  EXPECT_EQ(voters_at(0), 3U);
  for (const std::size_t node : {3U, 4U}) add(node);
  ASSERT_TRUE(set_voters(2, {0, 1, 2, 3, 4}).has_value());
  EXPECT_EQ(voters_at(0), 5U);
  expect_all_at({0, 1, 2, 3, 4});
  writing = true;
  ASSERT_TRUE(set_voters(3, {0, 3, 4}).has_value());
  for (const std::size_t node : {1U, 2U}) {
    EXPECT_TRUE(run([&] { return cluster.at(node).phase() == NodePhase::removed; })) << node;
  }
  EXPECT_EQ(voters_at(0), 3U);
  ASSERT_TRUE(set_voters(0, {0}).has_value());
  EXPECT_EQ(voters_at(0), 1U);
  const std::size_t before = acknowledged;
  ASSERT_TRUE(run([&] { return acknowledged > before + 20; }));
  expect_all_at({0});
  EXPECT_TRUE(errors.empty()) << errors.front().what;
  EXPECT_GT(acknowledged, 40U);
  for (const auto& node : cluster.nodes) EXPECT_TRUE(node->fatal.errors.empty());
}

TEST_F(Changes, TheSameAddAgainSucceedsAndAddsNothing) {
  cluster.init(1);
  add(1);
  const auto again = change(0, add_learner(cluster.at(1)));
  ASSERT_TRUE(again.has_value()) << again.error().what;
  EXPECT_EQ(again->subject, cluster.at(1).id());
  ASSERT_EQ(again->config.config.members.size(), 2U);
  const Member* added = again->config.config.find(again->subject);
  EXPECT_EQ(added->name, "n2");
  EXPECT_EQ(added->client_addresses, std::vector<std::string>{"n2:2379"});
}

TEST_F(Changes, ARequestThatTheClusterCannotGrantIsRefusedWithItsReason) {
  cluster.init(1);
  add(1);
  const auto refused = [this](wire::MembershipRequest request) {
    const auto answer = change(0, std::move(request));
    EXPECT_FALSE(answer.has_value());
    return answer ? Error{} : answer.error();
  };
  const NodeId leader = cluster.at(0).id();
  EXPECT_EQ(refused({wire::RemoveMember{leader}, {}}), wire::error_of(Objection::last_voter));
  EXPECT_EQ(refused({wire::RemoveMember{NodeId(77)}, {}}),
            wire::error_of(Objection::unknown_member));
  EXPECT_EQ(refused({wire::PromoteMember{leader}, {}}), wire::error_of(Objection::not_learner));
  EXPECT_EQ(refused(add_learner(cluster.at(0))), wire::error_of(Objection::self));
  wire::MembershipRequest stale{wire::RemoveMember{cluster.at(1).id()}, LogId{Term(1), Index(1)}};
  EXPECT_EQ(refused(stale).detail, static_cast<std::uint64_t>(raft::Refusal::stale_expect));
  cluster.at(2).crash();
  EXPECT_EQ(refused(add_learner(cluster.at(2))), wire::error_of(Objection::not_reached));
  EXPECT_EQ(cluster.at(0).view().config.members.size(), 2U);
}

// A learner whose node is gone right after it was added never catches up.
TEST_F(Changes, ALearnerThatLagsIsNotPromoted) {
  cluster.init(1);
  add(1);
  cluster.at(1).crash();
  cluster.run_for(seconds(3));
  const auto promoted = change(0, {wire::PromoteMember{cluster.at(1).id()}, {}});
  ASSERT_FALSE(promoted.has_value());
  EXPECT_EQ(promoted.error().detail, static_cast<std::uint64_t>(raft::Refusal::not_caught_up));
}

TEST_F(Changes, TheLeaderIsRemovedAndTheOthersGoOn) {
  cluster.init(3);
  const std::size_t leader = cluster.leader().value();
  writer = (leader + 1) % 3;
  const auto removed = change(writer, {wire::RemoveMember{cluster.at(leader).id()}, {}});
  ASSERT_TRUE(removed.has_value()) << removed.error().what;
  EXPECT_TRUE(run([&] { return cluster.at(leader).phase() == NodePhase::removed; }));
  const std::size_t before = acknowledged;
  EXPECT_TRUE(run([&] { return acknowledged > before + 20; }));
  EXPECT_TRUE(errors.empty()) << errors.front().what;
  expect_all_at({writer});
}

TEST_F(Changes, ARemovedNodeSaysNothingAlsoAfterARestart) {
  cluster.init(3);
  const std::size_t leader = cluster.leader().value();
  const std::size_t gone = (leader + 1) % 3;
  writer = leader;
  ASSERT_TRUE(change(leader, {wire::RemoveMember{cluster.at(gone).id()}, {}}).has_value());
  ASSERT_TRUE(run([&] { return cluster.at(gone).phase() == NodePhase::removed; }));
  EXPECT_TRUE(cluster.at(gone).identity.identity->removed);
  EXPECT_EQ(cluster.at(gone).view().raft.soft.leader, NodeId());
  cluster.at(gone).crash();
  cluster.at(gone).start();
  std::size_t said = 0;
  cluster.at(gone).members = cluster.at(leader).view().config;
  const Term term = cluster.at(leader).view().raft.soft.term;
  ASSERT_TRUE(cluster.run_until([&, until = cluster.world.now() + seconds(10)] {
    said += cluster.at(gone).view().raft.soft.term == Term() ? 0U : 1U;
    return cluster.world.now() >= until;
  }));
  EXPECT_EQ(said, 0U);
  EXPECT_EQ(cluster.at(gone).phase(), NodePhase::removed);
  EXPECT_NE(cluster.at(gone).health.last.reason.find("removed"), std::string::npos);
  EXPECT_EQ(cluster.at(leader).view().raft.soft.term, term);
  const auto write = cluster.at(gone).put("k", "v", seconds(1));
  ASSERT_TRUE(cluster.run_until([&] { return write->has_value(); }));
  EXPECT_EQ((**write).error().code, Code::shutting_down);
}

// The documented two steps for a wiped disk: remove the member, add the empty node.
TEST_F(Changes, ANodeThatLostItsDiskComesBackAsANewMember) {
  cluster.init(3);
  const std::size_t leader = cluster.leader().value();
  const std::size_t lost = (leader + 1) % 3;
  writer = leader;
  const NodeId former = cluster.at(lost).id();
  SimNode& node = cluster.at(lost);
  node.crash();
  node.log = std::make_shared<contract::MemoryLogStore>();
  Identity born;
  born.name = node.identity.identity->name;
  born.self.incarnation = {node.entropy.u64(), node.entropy.u64()};
  node.identity.identity = born;
  std::destroy_at(&node.state);
  std::construct_at(&node.state);
  node.members = {};
  node.start();
  ASSERT_TRUE(change(leader, {wire::RemoveMember{former}, {}}).has_value());
  add(lost);
  EXPECT_NE(node.id(), former);
  ASSERT_TRUE(set_voters(leader, {0, 1, 2}).has_value());
  expect_all_at({0, 1, 2});
  EXPECT_TRUE(errors.empty()) << errors.front().what;
}

// Its log begins with memberships in which the leader was none yet.
TEST_F(Changes, ANodeJoinsUnderALeaderThatJoinedLaterThanTheLogBegins) {
  cluster.init(1);
  add(1);
  ASSERT_TRUE(set_voters(0, {0, 1}).has_value());
  ASSERT_TRUE(ask(0, wire::TransferRequest{cluster.at(1).id()}).has_value());
  ASSERT_TRUE(run([&] { return cluster.leader() == 1; }));
  cluster.run_for(seconds(1));
  add(2);
  ASSERT_TRUE(set_voters(0, {0, 1, 2}).has_value());
  expect_all_at({0, 1, 2});
}

// Method: all whom its log knows are removed while it is down.
TEST_F(Changes, AMemberThatKnowsNoneOfTheOthersIsBroughtUpToDate) {
  cluster.init(3);
  const std::size_t leader = cluster.leader().value();
  const std::size_t down = (leader + 1) % 3;
  const std::size_t third = (leader + 2) % 3;
  writer = leader;
  cluster.at(down).crash();
  for (const std::size_t node : {3U, 4U}) add(node, leader);
  ASSERT_TRUE(set_voters(leader, {leader, third, down, 3, 4}).has_value());
  writer = 3;
  ASSERT_TRUE(set_voters(3, {down, 3, 4}).has_value());
  ASSERT_TRUE(run([&] { return cluster.at(third).phase() == NodePhase::removed; }));
  for (const std::size_t node : {leader, third}) cluster.at(node).crash();
  cluster.at(down).start();
  ASSERT_TRUE(run([&] { return cluster.at(down).view().config.members.size() == 3; }));
  EXPECT_TRUE(errors.empty()) << errors.front().what;
  expect_all_at({down, 3, 4});
}

// etcd's order: the member first, its node later. The change of two voters waits for it.
TEST_F(Changes, AVoterAddedBeforeItsNodeRunsIsBoundAtFirstContact) {
  cluster.init(1);
  cluster.at(1).crash();
  wire::AddMember voter{"", address_of(cluster.at(1)), {}, Role::voter, wire::Binding::later, {}};
  const auto slot = cluster.at(0).control(wire::MembershipRequest{voter, {}}, seconds(30));
  cluster.run_for(seconds(5));
  // The leader of two voters, one of which never ran, has no majority and says so.
  EXPECT_TRUE(!slot->has_value() || outcome_unknown((**slot).error().code));
  cluster.at(1).start();
  ASSERT_TRUE(cluster.run_until([&] {
    const Config config = cluster.at(0).view().config;
    const Member* member = config.find(cluster.at(1).id());
    return member != nullptr && member->peer == cluster.at(1).identity.identity->self;
  }));
  EXPECT_EQ(voters_at(0), 2U);
}

TEST_F(Changes, ANamedVoterTakesTheLeadershipOverWithoutAnErrorForClients) {
  cluster.init(3);
  for (int round = 0; round < 6; ++round) {
    const std::size_t leader = cluster.leader().value();
    const std::size_t to = (leader + 1) % 3;
    writer = static_cast<std::size_t>(round) % 3;
    const auto moved = ask((leader + 2) % 3, wire::TransferRequest{cluster.at(to).id()});
    ASSERT_TRUE(moved.has_value()) << moved.error().what;
    EXPECT_EQ(std::get<wire::TransferResult>(moved->result).leader, cluster.at(to).id());
    const std::size_t before = acknowledged;
    EXPECT_TRUE(run([&] { return cluster.leader() == to && acknowledged > before + 10; }));
  }
  EXPECT_TRUE(errors.empty()) << errors.front().what;
  EXPECT_GT(acknowledged, 50U);
}

TEST_F(Changes, TheBestVoterTakesOverWhenALeaderIsDrained) {
  cluster.init(3);
  const std::size_t leader = cluster.leader().value();
  writer = (leader + 1) % 3;
  std::optional<Result<HandedOver>> drained;
  cluster.at(leader).raft.ask_from_outside(
      HandOver{AfterHandOver::refuse_requests},
      [&drained](Result<HandedOver>&& answer) { drained = std::move(answer); });
  ASSERT_TRUE(run([&] { return drained.has_value(); }));
  ASSERT_TRUE(drained->has_value()) << drained->error().what;
  EXPECT_TRUE(run([&] { return cluster.leader().has_value() && cluster.leader() != leader; }));
  EXPECT_EQ(cluster.at(leader).phase(), NodePhase::draining);
  const auto write = cluster.at(leader).put("k", "v", seconds(1));
  ASSERT_TRUE(cluster.run_until([&] { return write->has_value(); }));
  EXPECT_EQ((**write).error().code, Code::shutting_down);
  EXPECT_TRUE(errors.empty()) << errors.front().what;
}

TEST_F(Changes, ALeaderAloneIsNotDrained) {
  cluster.init(1);
  std::optional<Result<HandedOver>> drained;
  cluster.at(0).raft.ask_from_outside(
      HandOver{AfterHandOver::refuse_requests},
      [&drained](Result<HandedOver>&& answer) { drained = std::move(answer); });
  ASSERT_TRUE(run([&] { return drained.has_value(); }));
  EXPECT_FALSE(drained->has_value());
  const std::size_t before = acknowledged;
  EXPECT_TRUE(run([&] { return acknowledged > before + 5; }));
}

// Method: appends that carry the joint configuration reach nobody until the leader is dead, but for
// one follower; whoever leads next ends the change.
TEST_F(Changes, WhoeverLeadsNextEndsAChangeThatIsOpen) {
  cluster.init(3);
  for (const std::size_t node : {3U, 4U}) add(node);
  const std::size_t leader = cluster.leader().value();
  writer = (leader + 1) % 3;
  wire::ChangeVoters voters;
  for (std::size_t i = 0; i < 5; ++i) voters.voters.push_back(cluster.at(i).id());
  cluster.run_for(seconds(3));
  const auto slot = cluster.at(writer).control(wire::MembershipRequest{voters, {}}, seconds(5));
  for (int ms = 0; ms < 1'000 && !cluster.at(writer).view().raft.joint; ++ms) {
    cluster.run_for(milliseconds(1));
  }
  ASSERT_TRUE(cluster.at(writer).view().raft.joint);
  ASSERT_FALSE(slot->has_value());
  cluster.at(leader).crash();
  ASSERT_TRUE(run([&] {
    const std::optional<std::size_t> now = cluster.leader();
    return now && *now != leader && !cluster.at(*now).view().raft.joint && voters_at(*now) == 5;
  }));
  ASSERT_TRUE(run([&] { return slot->has_value(); }));
  // Whoever asked is told the truth: the answer came, or nobody knows.
  EXPECT_TRUE((*slot)->has_value() || outcome_unknown((**slot).error().code));
  cluster.at(leader).start();
  EXPECT_TRUE(run([&] { return voters_at(leader) == 5; }));
  expect_all_at({writer, leader});
}

}  // namespace
}  // namespace aspen::replica
