// Linearizable reads: thesis 6.4.
#include <gtest/gtest.h>

#include "node/base/limits.h"
#include "tests/raft/solo.h"

namespace aspen::raft {
namespace {

Input read(std::uint64_t request) {
  return Read{RequestId(request)};
}

HeartbeatReply echo(const Solo& s, std::uint64_t n) {
  const Heartbeat* m = s.sent<Heartbeat>(n);
  return m == nullptr ? HeartbeatReply{Term(s.term()), Epoch(), ReadId(), Index()}
                      : HeartbeatReply{m->term, m->epoch, m->read, Index()};
}

const ReadGrant* grant(const Solo& s, std::uint64_t request) {
  for (const ReadGrant& g : s.out.reads) {
    if (g.request.value == request) return &g;
  }
  return nullptr;
}

TEST(ReadIndex, OneRoundPerFlushIsSentAtOnceAndGrantedAtAQuorum) {
  Solo s(5);
  s.lead({2, 3});
  s.turn({read(1), read(2), read(3)});
  ASSERT_NE(s.sent<Heartbeat>(2), nullptr);
  const HeartbeatReply two = echo(s, 2);
  const HeartbeatReply three = echo(s, 3);
  s.from(2, two);
  s.from(2, two);  // twice the same voice
  EXPECT_EQ(grant(s, 1), nullptr);
  s.from(3, three);
  for (std::uint64_t request : {1U, 2U, 3U}) ASSERT_NE(grant(s, request), nullptr);
}

// F1: a new leader may not know what its predecessor committed; its blank entry bounds it.
TEST(ReadIndex, NeverBelowTheOwnBlankEntry) {
  Solo s(3, {1, 1, 1});
  s.lead({2});
  s.turn({read(1)});
  s.from(2, echo(s, 2));
  ASSERT_NE(grant(s, 1), nullptr);
  EXPECT_EQ(grant(s, 1)->index, Index(4));
}

// F2: an answer to an earlier round proves nothing about a later read; rounds overlap.
TEST(ReadIndex, AnEarlierRoundDoesNotAnswerALaterRead) {
  Solo s(3);
  s.lead({2});
  s.turn({read(1)});
  const HeartbeatReply first = echo(s, 2);
  s.turn({read(2)});
  s.from(2, first);
  EXPECT_NE(grant(s, 1), nullptr);
  EXPECT_EQ(grant(s, 2), nullptr);
  const HeartbeatReply second = echo(s, 2);
  EXPECT_GT(second.read, first.read);
  s.from(2, second);
  EXPECT_NE(grant(s, 2), nullptr);
}

// Goal: many reads make few rounds. Method: reads that arrive while a round is in flight.
TEST(ReadIndex, ReadsThatArriveDuringARoundShareTheNext) {
  Solo s(3);
  s.lead({2});
  s.turn({read(1)});
  const HeartbeatReply first = echo(s, 2);
  s.turn({read(2)});
  EXPECT_EQ(s.sent<Heartbeat>(2), nullptr);
  s.turn({read(3)});
  EXPECT_EQ(s.sent<Heartbeat>(2), nullptr);
  s.from(2, first);
  s.from(2, echo(s, 2));
  EXPECT_NE(grant(s, 2), nullptr);
  EXPECT_NE(grant(s, 3), nullptr);
}

TEST(ReadIndex, ALostRoundIsRepeatedByTheHeartbeat) {
  Solo s(3);
  s.lead({2});
  s.turn({read(1)});
  const ReadId round = s.sent<Heartbeat>(2)->read;
  s.ticks(2);
  ASSERT_NE(s.sent<Heartbeat>(2), nullptr);
  EXPECT_EQ(s.sent<Heartbeat>(2)->read, round);
}

TEST(ReadIndex, ASingleNodeGrantsAtOnce) {
  Solo s(1);
  s.ticks(1);
  s.durable();
  s.durable();
  s.turn({read(1)});
  ASSERT_NE(grant(s, 1), nullptr);
  EXPECT_EQ(grant(s, 1)->index, Index(2));
}

TEST(ReadIndex, ReadsPendingAtStepDownAreRefused) {
  Solo s(3);
  s.lead({2});
  s.turn({read(1), Received{peer_id(3), ReadIndex{Term(2), 77}}});
  s.ticks(10);
  ASSERT_EQ(s.role(), RoleState::follower);
  ASSERT_NE(s.completion(1), nullptr);
  EXPECT_EQ(s.completion(1)->outcome, Outcome::refused);
  EXPECT_EQ(s.completion(1)->reason, Code::not_leader);
  ASSERT_NE(s.sent<ReadIndexReply>(3), nullptr);
  EXPECT_FALSE(s.sent<ReadIndexReply>(3)->granted);
}

TEST(ReadIndex, WithoutALeaderAReadIsRefused) {
  Solo s(3);
  s.turn({read(1)});
  ASSERT_NE(s.completion(1), nullptr);
  EXPECT_EQ(s.completion(1)->reason, Code::no_leader);
}

TEST(ReadIndex, TheLeaderAnswersAFollowerAfterItsRound) {
  Solo s(3);
  s.lead({2});
  s.from(3, ReadIndex{Term(2), 77});
  EXPECT_EQ(s.sent<ReadIndexReply>(3), nullptr);
  s.from(2, echo(s, 2));
  ASSERT_NE(s.sent<ReadIndexReply>(3), nullptr);
  EXPECT_TRUE(s.sent<ReadIndexReply>(3)->granted);
  EXPECT_EQ(s.sent<ReadIndexReply>(3)->context, 77U);
  EXPECT_EQ(s.sent<ReadIndexReply>(3)->index, Index(2));
}

TEST(ReadIndex, WhoDoesNotLeadRefusesAFollower) {
  Solo s(3);
  s.from(3, ReadIndex{Term(1), 77});
  ASSERT_NE(s.sent<ReadIndexReply>(3), nullptr);
  EXPECT_FALSE(s.sent<ReadIndexReply>(3)->granted);
}

// A follower with a leader, and no read yet.
Solo follower() {
  Solo s(3);
  s.from(2, append_of(1, log_id(1, 1), {}, 1));
  return s;
}

TEST(ReadIndex, AFollowerAsksOncePerFlush) {
  Solo s = follower();
  s.turn({read(1), read(2)});
  ASSERT_EQ(s.out.sends.size(), 1U);
  const ReadIndex* asked = s.sent<ReadIndex>(2);
  ASSERT_NE(asked, nullptr);
  const std::uint64_t context = asked->context;
  s.turn({read(3)});
  EXPECT_GT(s.sent<ReadIndex>(2)->context, context);
  s.from(2, ReadIndexReply{Term(1), context, true, Index(5)});
  ASSERT_NE(grant(s, 1), nullptr);
  EXPECT_EQ(grant(s, 1)->index, Index(5));
  EXPECT_NE(grant(s, 2), nullptr);
  EXPECT_EQ(grant(s, 3), nullptr);
}

// An answer to a question of an earlier boot, or one that was asked again, grants nothing.
TEST(ReadIndex, AnswersToOtherQuestionsAreDropped) {
  Solo s = follower();
  s.turn({read(1)});
  const std::uint64_t context = s.sent<ReadIndex>(2)->context;
  s.from(2, ReadIndexReply{Term(1), context + 1000, true, Index(5)});
  EXPECT_EQ(grant(s, 1), nullptr);
  s.from(2, ReadIndexReply{Term(1), context - 1, true, Index(5)});
  EXPECT_EQ(grant(s, 1), nullptr);
  s.from(3, ReadIndexReply{Term(1), context, true, Index(5)});  // does not lead
  EXPECT_EQ(grant(s, 1), nullptr);
  // A new leader is asked anew, and the old answer comes too late.
  s.from(3, append_of(2, log_id(1, 1), {}, 1));
  ASSERT_NE(s.sent<ReadIndex>(3), nullptr);
  const std::uint64_t renewed = s.sent<ReadIndex>(3)->context;
  s.from(3, ReadIndexReply{Term(2), context, true, Index(5)});
  EXPECT_EQ(grant(s, 1), nullptr);
  s.from(3, ReadIndexReply{Term(2), renewed, true, Index(5)});
  EXPECT_NE(grant(s, 1), nullptr);
}

TEST(ReadIndex, ALostQuestionIsRepeatedAndRefusedAfterT) {
  Solo s = follower();
  s.turn({read(1)});
  s.ticks(2);
  EXPECT_NE(s.sent<ReadIndex>(2), nullptr);
  // The leader's word keeps coming, its answer does not.
  for (int i = 0; i < 7; ++i) {
    s.ticks(1);
    EXPECT_EQ(s.completion(1), nullptr);
    s.from(2, Heartbeat{Term(1), Index(1), ReadId(), Epoch(1)});
  }
  s.ticks(1);
  ASSERT_NE(s.completion(1), nullptr);
  EXPECT_EQ(s.completion(1)->outcome, Outcome::refused);
}

TEST(ReadIndex, ARefusedQuestionRefusesItsReads) {
  Solo s = follower();
  s.turn({read(1)});
  s.from(2, ReadIndexReply{Term(1), s.sent<ReadIndex>(2)->context, false, Index()});
  ASSERT_NE(s.completion(1), nullptr);
  EXPECT_EQ(s.completion(1)->reason, Code::not_leader);
  EXPECT_EQ(s.completion(1)->leader, NodeId(2));
}

TEST(ReadIndex, AFollowerThatGivesUpItsLeaderRefusesItsReads) {
  Solo s = follower();
  s.turn({read(1), Campaign{}});
  ASSERT_NE(s.completion(1), nullptr);
  EXPECT_EQ(s.completion(1)->reason, Code::no_leader);
}

TEST(ReadIndex, ReadsBeyondTheLimitAreRefused) {
  Solo s(3);
  s.lead({2});
  for (std::uint64_t i = 1; i <= limits::reads_pending_max; ++i) s.core.step(read(i));
  s.turn({read(limits::reads_pending_max + 1)});
  ASSERT_EQ(s.out.completions.size(), 1U);
  EXPECT_EQ(s.out.completions[0].reason, Code::overloaded);
}

}  // namespace
}  // namespace aspen::raft
