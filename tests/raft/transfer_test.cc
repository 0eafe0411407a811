// Handing the leadership over: thesis 3.10; mistakes of row F7.
#include <gtest/gtest.h>

#include "tests/raft/solo.h"

namespace aspen::raft {
namespace {

Solo settled_leader() {
  Solo s(3);
  s.lead({2});
  const AppendReply two = accept(s, 2, 2);
  const AppendReply three = accept(s, 3, 2);
  s.durable();
  s.from(2, two);
  s.from(3, three);
  return s;
}

Epoch epoch_of(const Solo& s, std::size_t peer) {
  return s.core.metrics().peers.at(peer).epoch;
}

TEST(Transfer, TheTargetIsToldWhenItHoldsAll) {
  Solo s = settled_leader();
  s.propose(5);
  s.turn({Transfer{RequestId(7), NodeId(3)}});
  EXPECT_EQ(s.sent<TimeoutNow>(3), nullptr);
  EXPECT_EQ(s.core.metrics().transfer_to, NodeId(3));
  s.from(3, AppendReply{Term(2), epoch_of(s, 1), true, Index(3), Term()});
  ASSERT_NE(s.sent<TimeoutNow>(3), nullptr);
  EXPECT_EQ(s.completion(7), nullptr);
  s.ticks(2);  // what may have got lost is repeated
  EXPECT_NE(s.sent<TimeoutNow>(3), nullptr);
}

TEST(Transfer, ProposalsAreRefusedMeanwhileAndReadsGoOn) {
  Solo s = settled_leader();
  s.turn({Transfer{RequestId(7), NodeId(2)}});
  s.propose(8);
  EXPECT_EQ(s.completion(8)->outcome, Outcome::refused);
  EXPECT_EQ(s.completion(8)->refusal, Refusal::transferring);
  EXPECT_EQ(s.completion(8)->reason, Code::unavailable);
  s.turn({ChangeConfig{RequestId(9), voters(2), log_id(1, 1), Promotion::at_once}});
  EXPECT_EQ(s.completion(9)->refusal, Refusal::transferring);
  s.turn({Transfer{RequestId(10), NodeId(3)}});
  EXPECT_EQ(s.completion(10)->refusal, Refusal::transferring);
  s.turn({Read{RequestId(11)}});
  s.from(2, HeartbeatReply{Term(2), epoch_of(s, 0), ReadId(1), Index(2)});
  EXPECT_EQ(s.out.reads.size(), 1U);
}

// F7: the leader is not mute for ever.
TEST(Transfer, ATargetThatDoesNotComeIsGivenUpAfterT) {
  Solo s = settled_leader();
  s.turn({Transfer{RequestId(7), NodeId(2)}});
  for (int i = 0; i < 5; ++i) {
    s.from(2, HeartbeatReply{Term(2), epoch_of(s, 0), ReadId(), Index(2)});
    s.from(3, HeartbeatReply{Term(2), epoch_of(s, 1), ReadId(), Index(2)});
    s.ticks(2);
  }
  ASSERT_NE(s.completion(7), nullptr);
  EXPECT_EQ(s.completion(7)->outcome, Outcome::unknown);
  s.propose(8);
  EXPECT_EQ(s.completion(8), nullptr);
  EXPECT_EQ(s.last(), Index(3));
}

TEST(Transfer, CompletedWhenTheTargetLeads) {
  for (const std::uint64_t winner : {2U, 3U}) {
    Solo s = settled_leader();
    s.turn({Transfer{RequestId(7), NodeId(2)}});
    s.from(2, Vote{Term(3), log_id(2, 2), true});
    EXPECT_EQ(s.role(), RoleState::follower);
    EXPECT_TRUE(s.sent<VoteReply>(2)->granted);
    s.from(winner, append_of(winner == 2 ? 3 : 4, log_id(2, 2), {}));
    ASSERT_NE(s.completion(7), nullptr);
    EXPECT_EQ(s.completion(7)->outcome, winner == 2 ? Outcome::committed : Outcome::unknown);
    EXPECT_EQ(s.completion(7)->leader, NodeId(winner));
  }
}

TEST(Transfer, TheBestVoterIsTheOneThatLagsLeast) {
  Solo s = settled_leader();
  s.propose(5);
  s.from(3, AppendReply{Term(2), epoch_of(s, 1), true, Index(3), Term()});
  s.turn({Transfer{RequestId(7), NodeId()}});
  EXPECT_EQ(s.core.metrics().transfer_to, NodeId(3));
  EXPECT_NE(s.sent<TimeoutNow>(3), nullptr);
}

TEST(Transfer, NoTargetIsAnError) {
  Solo s = settled_leader();
  for (const std::uint64_t to : {1U, 9U}) {
    s.turn({Transfer{RequestId(7), NodeId(to)}});
    EXPECT_EQ(s.completion(7)->refusal, Refusal::no_target);
  }
  Solo alone(1);
  alone.lead({});
  alone.turn({Transfer{RequestId(7), NodeId()}});
  EXPECT_EQ(alone.completion(7)->refusal, Refusal::no_target);
  Solo follower(3);
  follower.turn({Transfer{RequestId(7), NodeId()}});
  EXPECT_EQ(follower.completion(7)->reason, Code::no_leader);
}

// At the target: no pre-vote, and the votes say why they are asked for. Nobody but the leader of
// the term may do that.
TEST(Transfer, OnlyTheLeadersWordStartsAnElection) {
  Solo s(3);
  s.from(2, append_of(1, log_id(1, 1), {}));
  s.from(3, TimeoutNow{Term(1)});
  s.from(2, TimeoutNow{Term(7)});
  EXPECT_EQ(s.role(), RoleState::follower);
  s.from(2, TimeoutNow{Term(1)});
  EXPECT_EQ(s.role(), RoleState::candidate);
  ASSERT_NE(s.sent<Vote>(3), nullptr);
  EXPECT_TRUE(s.sent<Vote>(3)->transfer);
  EXPECT_NE(s.sent_as<Vote>(3)->after, IoId());  // P1
}

TEST(Transfer, WhoWonForTheLeaderAsksForItselfTheNextTime) {
  Solo s(3);
  s.from(2, append_of(1, log_id(1, 1), {}));
  s.from(2, TimeoutNow{Term(1)});
  s.durable();
  s.from(3, VoteReply{Term(2), true});
  ASSERT_EQ(s.role(), RoleState::leader);
  s.from(3, PreVoteReply{Term(5), false});
  ASSERT_EQ(s.role(), RoleState::follower);
  s.lead({3});
  EXPECT_EQ(s.role(), RoleState::leader);
  EXPECT_EQ(s.term(), 6U);
}

TEST(Transfer, ANodeThatHearsTheLeaderVotesForTheTarget) {
  Solo s(3);
  s.from(2, append_of(1, log_id(1, 1), {}));
  s.from(3, Vote{Term(2), log_id(1, 1)});
  EXPECT_EQ(s.sent<VoteReply>(3), nullptr);
  s.from(3, Vote{Term(2), log_id(1, 1), true});
  ASSERT_NE(s.sent<VoteReply>(3), nullptr);
  EXPECT_TRUE(s.sent<VoteReply>(3)->granted);
  // A log that is behind is not chosen, whoever asks for it.
  Solo ahead(3, {1, 1});
  ahead.from(2, append_of(1, log_id(1, 2), {}));
  ahead.from(3, Vote{Term(2), log_id(1, 1), true});
  EXPECT_FALSE(ahead.sent<VoteReply>(3)->granted);
}

}  // namespace
}  // namespace aspen::raft
