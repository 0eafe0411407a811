// Elections: thesis 3.4, 3.6.1, 4.2.3, 6.2 and 9.6; rules P1 and P12.
#include <gtest/gtest.h>

#include <set>

#include "tests/raft/solo.h"

namespace aspen::raft {
namespace {

TEST(Election, WaitsAreDrawnFromTToTwiceT) {
  std::set<std::uint64_t> waits;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    BootState boot = boot_state(3);
    boot.seed = seed;
    Solo s(std::move(boot));
    std::uint64_t waited = 0;
    while (s.role() == RoleState::follower) {
      s.ticks(1);
      ++waited;
    }
    waits.insert(waited);
  }
  EXPECT_EQ(*waits.begin(), 10U);
  EXPECT_EQ(*waits.rbegin(), 19U);
  EXPECT_EQ(waits.size(), 10U);
}

TEST(Election, PreVoteChangesNoTermOnEitherSide) {
  Solo s(3);
  s.turn({Campaign{}});
  EXPECT_EQ(s.role(), RoleState::pre_candidate);
  ASSERT_NE(s.sent<PreVote>(2), nullptr);
  EXPECT_EQ(s.sent<PreVote>(2)->term, Term(2));
  EXPECT_EQ(s.term(), 1U);
  EXPECT_FALSE(s.out.io);

  Solo other(3);
  other.from(2, PreVote{Term(2), log_id(1, 1)});
  ASSERT_NE(other.sent<PreVoteReply>(2), nullptr);
  EXPECT_TRUE(other.sent<PreVoteReply>(2)->granted);
  EXPECT_EQ(other.sent<PreVoteReply>(2)->term, Term(2));
  EXPECT_EQ(other.term(), 1U);
  EXPECT_FALSE(other.out.io);
}

// P1: votes are asked for, and the own vote counts, only when term and vote are durable.
TEST(Election, P1CandidacyWaitsForTheDisk) {
  Solo s(3);
  s.turn({Campaign{}});
  s.from(2, PreVoteReply{Term(2), true});
  EXPECT_EQ(s.role(), RoleState::candidate);
  ASSERT_TRUE(s.out.io);
  EXPECT_EQ(s.out.io->hard_state, (HardState{Term(2), peer_id(1)}));
  ASSERT_NE(s.sent_as<Vote>(2), nullptr);
  EXPECT_EQ(s.sent_as<Vote>(2)->after, s.out.io->id);

  Solo single(1);
  single.ticks(1);
  EXPECT_EQ(single.role(), RoleState::candidate);
  single.durable();
  EXPECT_EQ(single.role(), RoleState::leader);
}

// P1: so does the answer to a vote, and a repeated answer while the write is under way.
TEST(Election, P1AVoteIsAnsweredAfterItIsDurable) {
  Solo s(3);
  s.from(2, Vote{Term(5), log_id(1, 1)});
  ASSERT_TRUE(s.out.io);
  EXPECT_EQ(s.out.io->hard_state, (HardState{Term(5), peer_id(2)}));
  const IoId io = s.out.io->id;
  EXPECT_TRUE(s.sent<VoteReply>(2)->granted);
  EXPECT_EQ(s.sent_as<VoteReply>(2)->after, io);
  s.from(2, Vote{Term(5), log_id(1, 1)});
  EXPECT_FALSE(s.out.io);
  EXPECT_EQ(s.sent_as<VoteReply>(2)->after, io);
  s.durable();
  s.from(2, Vote{Term(5), log_id(1, 1)});
  EXPECT_TRUE(s.sent<VoteReply>(2)->granted);
  EXPECT_EQ(s.sent_as<VoteReply>(2)->after, IoId());
}

// P1: a rejection that carries a new term waits as well.
TEST(Election, P1RejectionsWithANewTermWait) {
  Solo s(3, {1, 4});
  s.from(2, Vote{Term(5), log_id(1, 1)});  // its log is behind
  EXPECT_FALSE(s.sent<VoteReply>(2)->granted);
  EXPECT_EQ(s.sent<VoteReply>(2)->term, Term(5));
  EXPECT_EQ(s.sent_as<VoteReply>(2)->after, s.out.io->id);
  s.from(3, PreVote{Term(5), log_id(1, 1)});
  EXPECT_EQ(s.sent_as<PreVoteReply>(3)->after, s.issued);
}

TEST(Election, OneVotePerTerm) {
  Solo s(3);
  s.from(2, Vote{Term(5), log_id(1, 1)});
  s.from(3, Vote{Term(5), log_id(4, 9)});
  EXPECT_FALSE(s.sent<VoteReply>(3)->granted);
  s.from(3, Vote{Term(6), log_id(4, 9)});
  EXPECT_TRUE(s.sent<VoteReply>(3)->granted);
}

// Thesis 3.6.1: the log that ends in the later term is more up to date, then the longer one (A3).
TEST(Election, FreshnessComparesTheTermFirst) {
  const struct {
    LogId candidate;
    bool granted;
  } cases[] = {{log_id(3, 1), true},
               {log_id(2, 3), true},
               {log_id(2, 4), true},
               {log_id(2, 2), false},
               {log_id(1, 9), false}};
  for (const auto& c : cases) {
    Solo s(3, {1, 1, 2});
    s.from(2, Vote{Term(7), c.candidate});
    EXPECT_EQ(s.sent<VoteReply>(2)->granted, c.granted) << c.candidate.index.value;
    Solo p(3, {1, 1, 2});
    p.from(2, PreVote{Term(7), c.candidate});
    EXPECT_EQ(p.sent<PreVoteReply>(2)->granted, c.granted);
  }
}

// Thesis 4.2.3: a node that was away must not depose a leader whom the others hear.
TEST(Election, NoVoteWithinTOfALeadersWord) {
  Solo s(3);
  s.from(2, Heartbeat{Term(4), Index(), ReadId(), Epoch(1)});
  s.durable();
  s.ticks(9);
  s.from(3, PreVote{Term(5), log_id(4, 9)});
  EXPECT_FALSE(s.sent<PreVoteReply>(3)->granted);
  s.from(3, Vote{Term(5), log_id(4, 9)});
  EXPECT_EQ(s.sent<VoteReply>(3), nullptr);
  EXPECT_EQ(s.term(), 4U);
  s.ticks(1);
  s.from(3, Vote{Term(5), log_id(4, 9)});
  EXPECT_TRUE(s.sent<VoteReply>(3)->granted);
}

// A6: a node with the best log but a low term learns the higher term from the refusal.
TEST(Election, ARefusedPreVoteTeachesTheHigherTerm) {
  Solo s(3);
  s.turn({Campaign{}});
  s.from(2, PreVoteReply{Term(8), false});
  EXPECT_EQ(s.term(), 8U);
  EXPECT_EQ(s.role(), RoleState::follower);
  s.durable();
  s.turn({Campaign{}});
  EXPECT_EQ(s.sent<PreVote>(2)->term, Term(9));
}

// A6: a leader of a lower term, met by a node with a higher one, gives way.
TEST(Election, AHeartbeatOfALowerTermIsAnsweredWithTheHigher) {
  Solo s(3, {1, 6});
  s.from(2, Heartbeat{Term(4), Index(), ReadId(), Epoch(1)});
  EXPECT_EQ(s.sent<HeartbeatReply>(2)->term, Term(6));
  Solo leader(3);
  leader.lead({2});
  ASSERT_EQ(leader.role(), RoleState::leader);
  leader.from(3, HeartbeatReply{Term(6), Epoch(1), ReadId(), Index()});
  EXPECT_EQ(leader.role(), RoleState::follower);
  EXPECT_EQ(leader.term(), 6U);
}

// A4: answers from before, twice, or of nobody who votes.
TEST(Election, OnlyTheFirstAnswerOfAVoterInThisRoundCounts) {
  Solo s(5);
  s.turn({Campaign{}});
  s.from(2, PreVoteReply{Term(2), true});
  s.from(2, PreVoteReply{Term(2), true});
  s.from(9, PreVoteReply{Term(2), true});
  s.from(3, PreVoteReply{Term(1), true});
  EXPECT_EQ(s.role(), RoleState::pre_candidate);
  s.from(3, PreVoteReply{Term(2), true});
  EXPECT_EQ(s.role(), RoleState::candidate);
  s.durable();
  s.from(4, PreVoteReply{Term(2), true});  // late
  s.from(5, PreVoteReply{Term(3), true});
  s.from(2, VoteReply{Term(2), true});
  s.from(2, VoteReply{Term(2), true});
  s.from(3, VoteReply{Term(1), true});
  EXPECT_EQ(s.role(), RoleState::candidate);
  s.from(3, VoteReply{Term(2), true});
  EXPECT_EQ(s.role(), RoleState::leader);
}

TEST(Election, ALostVoteEndsTheCandidacyAndKeepsTheVote) {
  Solo s(3);
  s.turn({Campaign{}});
  s.from(2, PreVoteReply{Term(2), true});
  s.durable();
  s.from(2, VoteReply{Term(2), false});
  s.from(3, VoteReply{Term(2), false});
  EXPECT_EQ(s.role(), RoleState::follower);
  EXPECT_EQ(s.core.metrics().vote, peer_id(1));
}

// P12: stepping down in the same term keeps the vote, so that nobody else can win that term.
TEST(Election, P12StepDownInTheSameTermKeepsTheVote) {
  Solo s(3);
  s.lead({2});
  s.ticks(10);
  EXPECT_EQ(s.role(), RoleState::follower);
  EXPECT_EQ(s.term(), 2U);
  s.from(3, Vote{Term(2), log_id(9, 99)});
  EXPECT_FALSE(s.sent<VoteReply>(3)->granted);
}

// Thesis 6.2: T after the last answer of a quorum, and not before.
TEST(Election, ALeaderThatHearsNoQuorumForTStepsDown) {
  Solo s(5);
  s.lead({2, 3});
  s.ticks(5);
  for (std::uint64_t n : {2U, 3U}) {
    s.from(n, HeartbeatReply{Term(2), Epoch(9), ReadId(), Index()});
  }
  s.ticks(9);
  EXPECT_EQ(s.role(), RoleState::leader);
  // One follower is not enough; what it asks for does not prove that it hears this leader (A8).
  s.from(2, HeartbeatReply{Term(2), Epoch(9), ReadId(), Index()});
  s.from(3, PreVote{Term(3), log_id(1, 1)});
  s.ticks(1);
  EXPECT_EQ(s.role(), RoleState::follower);
  EXPECT_EQ(s.leader(), 0U);
}

TEST(Election, ASingleVoterLeadsAtItsFirstTick) {
  Solo s(1);
  s.ticks(1);
  s.durable();
  EXPECT_EQ(s.role(), RoleState::leader);
  s.durable();
  EXPECT_EQ(s.commit(), Index(2));
}

TEST(Election, NobodyCampaignsWithoutBeingAVoter) {
  Solo unknown(boot_state(3, {}));
  unknown.ticks(100);
  unknown.turn({Campaign{}});
  EXPECT_EQ(unknown.role(), RoleState::follower);
  EXPECT_EQ(unknown.term(), 0U);
  // It votes all the same: it may be a voter without knowing (C3).
  unknown.from(2, Vote{Term(3), log_id(1, 1)});
  EXPECT_TRUE(unknown.sent<VoteReply>(2)->granted);
}

// Two equal nodes that time out together do not split the vote: one of them goes first.
TEST(Election, OfTwoEqualPreCandidatesTheHigherIdGoesOn) {
  BootState high = boot_state(3);
  high.self = peer_id(2);
  Solo a(3);
  Solo b(std::move(high));
  a.turn({Campaign{}});
  b.turn({Campaign{}});
  a.from(2, PreVote{Term(2), log_id(1, 1)});
  EXPECT_TRUE(a.sent<PreVoteReply>(2)->granted);
  b.from(1, PreVote{Term(2), log_id(1, 1)});
  EXPECT_FALSE(b.sent<PreVoteReply>(1)->granted);
  // A better log is granted whatever its id.
  b.from(1, PreVote{Term(2), log_id(1, 2)});
  EXPECT_TRUE(b.sent<PreVoteReply>(1)->granted);
}

// A grant holds the own candidacy back for a heartbeat, and never beyond 2T.
// Five voters, two of them dead, and a broken link between two others: only the lowest id reaches a
// majority. Whoever precedes it must give way when its own questions have had their answers.
TEST(Election, APrecedenceLapsesSoThatTheOnlyOneWhoCanWinDoes) {
  BootState boot = boot_state(5);
  boot.self = peer_id(5);
  Solo s(std::move(boot));
  s.turn({Campaign{}});
  s.from(1, PreVote{Term(2), log_id(1, 1)});
  EXPECT_FALSE(s.sent<PreVoteReply>(1)->granted);
  s.ticks(small_tuning().heartbeat_ticks);
  s.from(1, PreVote{Term(2), log_id(1, 1)});
  EXPECT_TRUE(s.sent<PreVoteReply>(1)->granted);
}

TEST(Election, AGrantedPreVoteGoesFirst) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    BootState boot = boot_state(3);
    boot.seed = seed;
    Solo s(std::move(boot));
    std::uint64_t waited = 0;
    for (; s.role() == RoleState::follower; ++waited) {
      ASSERT_LT(waited, 20U);
      s.from(2, PreVote{Term(2), log_id(1, 1)});
      s.ticks(1);
    }
    EXPECT_EQ(waited, 20U);
  }
}

TEST(Election, RequestsAreRepeatedUntilAnswered) {
  Solo s(3);
  s.turn({Campaign{}});
  s.from(3, PreVoteReply{Term(1), false});  // not yet
  s.ticks(2);
  EXPECT_NE(s.sent<PreVote>(2), nullptr);
  EXPECT_NE(s.sent<PreVote>(3), nullptr);
}

// P14: a known id with another data directory is not heard.
TEST(Election, P14AnotherIncarnationIsNotHeard) {
  Solo s(3);
  const PeerId impostor{NodeId(2), Incarnation{7, 999}};
  s.turn({Received{impostor, Vote{Term(9), log_id(9, 9)}}});
  EXPECT_TRUE(s.out.sends.empty());
  EXPECT_EQ(s.term(), 1U);
}

}  // namespace
}  // namespace aspen::raft
