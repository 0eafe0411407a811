// Membership: thesis chapter 4, reference 2.4. Configurations are in force when appended; changes
// of voters go through a joint configuration that any leader leaves.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "node/base/limits.h"
#include "node/raft/change.h"
#include "node/raft/quorum.h"
#include "tests/raft/solo.h"

namespace aspen::raft {
namespace {

Member member(std::uint64_t n, Role role = Role::voter) {
  return Member{peer_id(n), role, "n" + std::to_string(n), "", {}};
}

Config members(std::vector<std::uint64_t> voter_ids, std::vector<std::uint64_t> learners = {}) {
  Config config;
  for (const std::uint64_t n : voter_ids) config.members.push_back(member(n));
  for (const std::uint64_t n : learners) config.members.push_back(member(n, Role::learner));
  std::sort(config.members.begin(), config.members.end(),
            [](const Member& a, const Member& b) { return a.peer.id < b.peer.id; });
  return config;
}

class Leader : public Solo {
 public:
  // Leads a configuration whose entry is the first; all of it is held by everybody.
  explicit Leader(const Config& config, Tuning tuning = small_tuning())
      : Solo(boot_of(config, tuning)) {
    std::vector<std::uint64_t> others;
    for (const Member& m : config.members) {
      if (m.role == Role::voter && m.peer.id.value != 1) others.push_back(m.peer.id.value);
    }
    lead(others);
    durable();
    settle();
  }

  static BootState boot_of(const Config& config, const Tuning& tuning) {
    BootState boot = boot_state(1);
    boot.tuning = tuning;
    boot.configs = {{log_id(1, 1), config}};
    return boot;
  }

  Effects& change(std::uint64_t request, const Config& to,
                  Promotion promotion = Promotion::at_once) {
    return turn({ChangeConfig{RequestId(request), to, core.metrics().config, promotion}});
  }
  // Node n holds all that the leader's log has.
  Effects& holds(std::uint64_t n) {
    Epoch epoch;
    for (const PeerMetrics& peer : core.metrics().peers) {
      if (peer.peer.id.value == n) epoch = peer.epoch;
    }
    return from(n, AppendReply{Term(term()), epoch, true, last(), Term()});
  }
  // So does everybody who has a stream.
  void settle() {
    for (int i = 0; i < 3; ++i) {
      for (const PeerMetrics& peer : core.metrics().peers) holds(peer.peer.id.value);
      durable();
    }
  }
  Refusal refusal(std::uint64_t request) const {
    const Completion* done = completion(request);
    return done == nullptr ? Refusal::none : done->refusal;
  }
};

TEST(Membership, WhatKeepsTheVotersIsOneEntry) {
  Leader s(members({1, 2, 3}));
  Config to = members({1, 2, 3}, {4});
  to.members[1].peer_address = "elsewhere:2380";
  s.change(7, to);
  ASSERT_TRUE(s.out.config);
  EXPECT_EQ(s.out.config->config, to);  // in force at once
  EXPECT_EQ(s.out.config->id, log_id(2, 3));
  EXPECT_EQ(s.completion(7), nullptr);
  s.durable();
  s.holds(2);
  ASSERT_NE(s.completion(7), nullptr);
  EXPECT_EQ(s.completion(7)->outcome, Outcome::committed);
  EXPECT_EQ(s.completion(7)->id, log_id(2, 3));
}

// C5, and the order of the two entries: C_new is appended when C_old,new is committed.
TEST(Membership, AChangeOfVotersIsJointAndLeftByItself) {
  Leader s(members({1, 2, 3}, {4, 5}));
  const Config to = members({1, 4, 5}, {2});
  s.change(7, to);
  ASSERT_TRUE(s.out.config);
  EXPECT_TRUE(s.out.config->config.joint());
  EXPECT_EQ(final_of(s.out.config->config), to);
  EXPECT_EQ(s.out.config->config.find(NodeId(3))->role, Role::leaving);
  s.durable();
  s.holds(2);
  EXPECT_EQ(s.commit(), Index(2));  // the old half has it, the new one not
  s.holds(4);
  EXPECT_EQ(s.commit(), Index(3));
  ASSERT_TRUE(s.out.config);
  EXPECT_EQ(s.out.config->config, to);
  EXPECT_EQ(s.completion(7), nullptr);
  s.durable();
  s.holds(4);  // a majority of the new voters is enough now
  ASSERT_NE(s.completion(7), nullptr);
  EXPECT_EQ(s.completion(7)->id, log_id(2, 4));
}

TEST(Membership, ALaterLeaderLeavesTheJointConfigurationItFinds) {
  BootState boot = boot_state(1);
  const Config from = members({1, 2, 3});
  const Config to = members({1, 2, 4});
  boot.configs = {{log_id(1, 1), from}, {log_id(1, 2), joint_of(from, to)}};
  boot.runs = {{Index(1), Term(1)}};
  boot.last = Index(2);
  Solo s(std::move(boot));
  s.lead({2, 4});  // majorities of {1,2,3} and {1,2,4}
  ASSERT_EQ(s.role(), RoleState::leader);
  s.durable();
  EXPECT_TRUE(s.core.config().joint());
  s.from(2, AppendReply{Term(2), s.core.metrics().peers[0].epoch, true, Index(3), Term()});
  EXPECT_EQ(s.commit(), Index(3));
  EXPECT_EQ(s.core.config(), to);
}

// A5: neither half alone elects.
TEST(Membership, AJointElectionNeedsBothHalves) {
  const Config from = members({1, 2, 3});
  const Config to = members({1, 4, 5});
  const Quorum quorum(joint_of(from, to));
  const auto ballots = [](std::vector<std::uint64_t> granted, std::vector<std::uint64_t> refused) {
    std::vector<Ballot> all;
    for (const std::uint64_t n : granted) all.push_back({NodeId(n), true});
    for (const std::uint64_t n : refused) all.push_back({NodeId(n), false});
    return all;
  };
  EXPECT_EQ(quorum.tally(ballots({1, 2, 3}, {})), VoteResult::pending);
  EXPECT_EQ(quorum.tally(ballots({1, 4, 5}, {})), VoteResult::pending);
  EXPECT_EQ(quorum.tally(ballots({1, 2, 4}, {})), VoteResult::won);
  EXPECT_EQ(quorum.tally(ballots({1, 4}, {2, 3})), VoteResult::lost);
  EXPECT_FALSE(quorum.is_only(NodeId(1)));
  EXPECT_EQ(quorum.reached([](NodeId n) { return n.value <= 2 ? 9U : 4U; }), 4U);
  EXPECT_EQ(quorum.reached([](NodeId n) { return n.value == 2 || n.value == 4 ? 9U : 4U; }), 4U);
  EXPECT_EQ(quorum.reached([](NodeId n) { return n.value == 1 || n.value % 2 == 0 ? 9U : 4U; }),
            9U);
}

TEST(Membership, RefusalsAreTypedAndLeaveTheLogAlone) {
  Leader s(members({1, 2, 3}, {4}));
  const Index last = s.last();
  const auto refused = [&s, last](const Config& to, Refusal why,
                                  Promotion promotion = Promotion::at_once) {
    s.change(7, to, promotion);
    ASSERT_NE(s.completion(7), nullptr);
    EXPECT_EQ(s.completion(7)->outcome, Outcome::refused);
    EXPECT_EQ(s.refusal(7), why);
    EXPECT_EQ(s.completion(7)->reason, error_of(why).code);
    EXPECT_EQ(s.last(), last);
  };
  refused(members({}, {1, 2, 3}), Refusal::no_voter);
  refused(Config{}, Refusal::no_voter);
  refused(members({1, 2, 3, 4, 5, 6, 7, 8}), Refusal::too_many_voters);
  Config to = members({1, 2, 3}, {4});
  to.members[3].peer.incarnation.low = 99;
  refused(to, Refusal::incarnation_changed);
  to = members({1, 2, 3}, {4});
  to.members[1].outgoing = true;
  refused(to, Refusal::malformed);
  to = members({1, 2, 3});
  to.members.push_back(member(0));
  refused(to, Refusal::malformed);
  to = members({1, 2, 3}, {5});
  to.members[3].peer.incarnation = peer_id(2).incarnation;  // a copied disk
  refused(to, Refusal::malformed);
  to = members({1, 2, 3});
  for (std::uint64_t n = 10; n < 10 + limits::members_max; ++n) {
    to.members.push_back(member(n, Role::learner));
  }
  refused(to, Refusal::too_many_members);
  refused(members({1, 2, 3, 9}), Refusal::not_caught_up, Promotion::when_caught_up);
  s.turn({ChangeConfig{RequestId(7), members({1, 2}), log_id(1, 9), Promotion::at_once}});
  EXPECT_EQ(s.refusal(7), Refusal::stale_expect);

  Solo follower(3);
  follower.turn({ChangeConfig{RequestId(7), members({1}), log_id(1, 1), Promotion::at_once}});
  EXPECT_EQ(follower.completion(7)->reason, Code::no_leader);
}

// C1: one change at a time, and none before the leader has committed an entry of its own term.
TEST(Membership, OneChangeAtATimeAndNoneByANewLeader) {
  Solo fresh(3);
  fresh.lead({2});
  fresh.turn({ChangeConfig{RequestId(7), members({1, 2}), log_id(1, 1), Promotion::at_once}});
  EXPECT_EQ(fresh.completion(7)->refusal, Refusal::leader_is_new);

  Leader s(members({1, 2, 3}, {4}));
  s.change(7, members({1, 2, 3}));
  s.change(8, members({1, 2}));
  EXPECT_EQ(s.refusal(8), Refusal::change_in_flight);
  s.settle();
  s.change(9, members({1, 2}));
  EXPECT_EQ(s.completion(9), nullptr);
  s.change(10, members({1, 2, 3}));  // joint
  EXPECT_EQ(s.refusal(10), Refusal::change_in_flight);
  s.settle();
  EXPECT_EQ(s.core.config(), members({1, 2}));
}

// C8.
TEST(Membership, ATruncatedConfigurationIsNoMoreInForce) {
  Solo s(3);
  const Config to = members({1, 2, 3}, {4});
  s.from(2, append_of(2, log_id(1, 1), {config_entry(log_id(2, 2), to)}));
  EXPECT_EQ(s.core.config(), to);
  s.from(3, append_of(3, log_id(1, 1), {command(3, 2)}));
  EXPECT_EQ(s.core.config(), voters(3));
  ASSERT_TRUE(s.out.config);
  EXPECT_EQ(s.out.config->id, log_id(1, 1));
}

// C3.
TEST(Membership, ALearnerVotesAndNeverCampaigns) {
  BootState boot = boot_state(1);
  boot.configs = {{log_id(1, 1), members({2, 3, 4}, {1})}};
  Solo s(std::move(boot));
  s.ticks(100);
  s.turn({Campaign{}});
  EXPECT_EQ(s.role(), RoleState::follower);
  s.from(2, Vote{Term(5), log_id(1, 1)});
  EXPECT_TRUE(s.sent<VoteReply>(2)->granted);
}

// Thesis 4.2.2: C_new reached the old voter alone, and those who decide now would vote for nobody
// else. It leads without counting itself, commits C_new, and goes.
TEST(Membership, AnOutgoingVoterMayBeTheOnlyOneWhoCanLead) {
  BootState boot = boot_state(1, {1, 1, 1});
  const Config from = members({1, 2});
  const Config to = members({2});
  boot.configs = {{log_id(1, 1), from}, {log_id(1, 2), joint_of(from, to)}, {log_id(1, 3), to}};
  Solo s(boot);
  s.turn({Campaign{}});
  s.from(2, PreVoteReply{Term(2), true});
  ASSERT_NE(s.sent<Vote>(2), nullptr);
  s.durable();
  s.from(2, VoteReply{Term(2), true});
  ASSERT_EQ(s.role(), RoleState::leader);
  s.durable();
  EXPECT_EQ(s.commit(), Index());
  s.from(2, accept(s, 2, 4));
  const PeerMetrics peer = s.core.metrics().peers.at(0);
  s.from(2, AppendReply{Term(2), peer.epoch, true, Index(4), Term()});
  EXPECT_EQ(s.commit(), Index(4));
  EXPECT_EQ(s.role(), RoleState::follower);
  EXPECT_TRUE(s.core.soft().removed);

  boot.applied = Index(3);  // it knows that C_new is committed: it is not needed
  Solo done(boot);
  done.turn({Campaign{}});
  EXPECT_EQ(done.role(), RoleState::follower);
}

TEST(Membership, ALearnersAcknowledgementMakesNoMajority) {
  Leader s(members({1, 2, 3}, {4, 5}));
  s.propose(7);
  s.durable();
  s.holds(4);
  s.holds(5);
  EXPECT_EQ(s.commit(), Index(2));
  s.holds(2);
  EXPECT_EQ(s.commit(), Index(3));
}

// The rule is in the core: little lag, heard lately, and a round that took less than T.
TEST(Membership, OnlyALearnerThatKeepsPaceIsPromoted) {
  Tuning tuning = small_tuning();
  tuning.promotion_lag = 5;
  Leader s(members({1}), tuning);
  s.change(7, members({1}, {2}));
  s.settle();
  const auto caught_up = [&s] { return s.core.metrics().peers.at(0).caught_up; };
  s.ticks(2);
  s.settle();
  s.ticks(1);
  EXPECT_TRUE(caught_up());
  for (std::uint64_t i = 0; i < 8; ++i) s.propose(10 + i);
  s.durable();
  s.durable();
  EXPECT_FALSE(caught_up());  // lags
  s.settle();
  EXPECT_TRUE(caught_up());
  s.ticks(10);
  EXPECT_FALSE(caught_up());  // silent
  s.change(8, members({1, 2}), Promotion::when_caught_up);
  EXPECT_EQ(s.refusal(8), Refusal::not_caught_up);
  s.settle();
  s.ticks(1);
  s.change(9, members({1, 2}), Promotion::when_caught_up);
  EXPECT_EQ(s.completion(9), nullptr);
  EXPECT_TRUE(s.core.config().joint());
}

// C6: it leads until C_new is committed, does not count itself, names an heir and goes.
TEST(Membership, ARemovedLeaderGoesWhenThatIsCommitted) {
  Leader s(members({1, 2, 3}));
  s.change(7, members({2, 3}));
  s.durable();
  s.holds(2);
  s.holds(3);
  ASSERT_EQ(s.core.config(), members({2, 3}));
  s.durable();
  s.holds(2);
  EXPECT_EQ(s.role(), RoleState::leader);
  EXPECT_EQ(s.commit(), Index(3));  // one of two is no majority
  EXPECT_FALSE(s.core.soft().removed);
  s.holds(3);
  EXPECT_EQ(s.completion(7)->outcome, Outcome::committed);
  EXPECT_EQ(s.role(), RoleState::follower);
  EXPECT_TRUE(s.core.soft().removed);
  EXPECT_NE(s.sent<TimeoutNow>(2), nullptr);
  s.ticks(100);
  EXPECT_EQ(s.role(), RoleState::follower);
}

// A10: who was removed is told for T ticks, so that it stops; then its stream ends.
TEST(Membership, ARemovedMemberLearnsOfItsEnd) {
  Leader s(members({1, 2, 3}));
  s.change(7, members({1, 2}));
  s.settle();
  ASSERT_EQ(s.core.config(), members({1, 2}));
  ASSERT_EQ(s.core.metrics().peers.size(), 2U);
  EXPECT_TRUE(s.core.metrics().peers[1].leaving);
  for (int i = 0; i < 5; ++i) {
    s.ticks(2);
    s.holds(2);
  }
  EXPECT_EQ(s.core.metrics().peers.size(), 1U);

  Solo gone(3);
  gone.from(2, append_of(1, log_id(1, 1), {config_entry(log_id(1, 2), members({2, 3}))}, 1));
  EXPECT_FALSE(gone.core.soft().removed);  // not committed
  gone.from(2, Heartbeat{Term(1), Index(2), ReadId(), Epoch(1)});
  ASSERT_TRUE(gone.out.soft);
  EXPECT_TRUE(gone.out.soft->removed);
  gone.ticks(100);
  EXPECT_EQ(gone.role(), RoleState::follower);
}

// A new node replays configurations from before its time: it was never removed.
TEST(Membership, WhoIsNotAMemberYetIsNotRemoved) {
  Solo s(0, {});
  s.from(2, append_of(1, log_id(0, 0), {config_entry(log_id(1, 1), members({2, 3}))}, 1));
  EXPECT_FALSE(s.core.soft().removed);
  s.from(2, append_of(1, log_id(1, 1), {config_entry(log_id(1, 2), members({2, 3}, {1}))}, 2));
  EXPECT_FALSE(s.core.soft().removed);
}

// P14: a member that is not bound yet is whoever answers first.
TEST(Membership, AnUnboundMemberIsTheFirstDirectoryThatAnswers) {
  Config config = members({1, 2});
  config.members[1].peer.incarnation = {};
  Leader s(members({1}));
  s.change(7, config);
  const Epoch epoch = s.core.metrics().peers.at(0).epoch;
  s.durable();
  s.from(2, AppendReply{Term(2), epoch, false, Index(), Term()});
  s.turn(
      {Received{PeerId{NodeId(2), {8, 8}}, AppendReply{Term(2), epoch, true, s.last(), Term()}}});
  EXPECT_EQ(s.core.metrics().peers.at(0).match, Index());
  s.holds(2);
  EXPECT_EQ(s.core.metrics().peers.at(0).match, Index(3));
}

TEST(Membership, AChangeOfALeaderThatIsDeposedIsUnknown) {
  Leader s(members({1, 2, 3}));
  s.change(7, members({1, 2}));
  s.from(2, append_of(9, log_id(2, 2), {}));
  EXPECT_EQ(s.completion(7)->outcome, Outcome::unknown);
}

// Goal: the arithmetic of sets. Method: random pairs of configurations.
TEST(Membership, AJointConfigurationLeadsFromTheOneToTheOther) {
  Prng dice(5);
  for (int i = 0; i < 2000; ++i) {
    const auto any = [&dice] {
      std::vector<std::uint64_t> in;
      std::vector<std::uint64_t> learners;
      for (std::uint64_t n = 1; n <= 8; ++n) {
        const std::uint64_t what = dice.below(3);
        if (what == 0 && in.size() < limits::voters_max) in.push_back(n);
        if (what == 1) learners.push_back(n);
      }
      if (in.empty()) in.push_back(9);
      return members(in, learners);
    };
    const Config from = any();
    const Config to = any();
    ASSERT_EQ(check_target(from, to), Refusal::none);
    const Config joint = joint_of(from, to);
    EXPECT_EQ(final_of(joint), to);
    EXPECT_EQ(*decode_config(encode(joint)), joint);
    for (std::uint64_t n = 1; n <= 9; ++n) {
      const Member* before = from.find(NodeId(n));
      const Member* between = joint.find(NodeId(n));
      const bool voted = before != nullptr && before->role == Role::voter;
      EXPECT_EQ(voted, between != nullptr && between->outgoing);
    }
    EXPECT_EQ(same_voters(from, to), Quorum(from) == Quorum(to));
  }
}

}  // namespace
}  // namespace aspen::raft
