// The follower's side of replication: thesis 3.5 and 3.6; rules P3, P5, P6, P7.
#include <gtest/gtest.h>

#include "tests/raft/solo.h"

namespace aspen::raft {
namespace {

// P3: what is not durable is not acknowledged; the answer comes with the disk.
TEST(Follower, P3AcknowledgesWhatIsDurableWhenItIs) {
  Solo s(3);
  s.from(2, append_of(1, log_id(1, 1), {command(1, 2), command(1, 3)}));
  EXPECT_EQ(s.sent<AppendReply>(2), nullptr);
  ASSERT_TRUE(s.out.io);
  EXPECT_EQ(s.out.io->append.size(), 2U);
  s.durable();
  ASSERT_NE(s.sent<AppendReply>(2), nullptr);
  EXPECT_TRUE(s.sent<AppendReply>(2)->accepted);
  EXPECT_EQ(s.sent<AppendReply>(2)->match, Index(3));
}

// P3: an empty append, a duplicate and a heartbeat obey the same limit.
TEST(Follower, P3EmptyAndRepeatedAppendsAndHeartbeatsPromiseNoMore) {
  Solo s(3);
  s.from(2, append_of(1, log_id(1, 1), {command(1, 2)}));
  s.from(2, append_of(1, log_id(1, 2), {}));
  EXPECT_EQ(s.sent<AppendReply>(2)->match, Index(1));
  s.from(2, append_of(1, log_id(1, 1), {command(1, 2)}));
  EXPECT_EQ(s.sent<AppendReply>(2)->match, Index(1));
  s.from(2, Heartbeat{Term(1), Index(2), ReadId(4), Epoch(1)});
  EXPECT_EQ(s.sent<HeartbeatReply>(2)->match, Index(1));
  EXPECT_EQ(s.sent<HeartbeatReply>(2)->read, ReadId(4));
}

// What a former leader appended is no promise to the new one, though it is durable.
TEST(Follower, AcknowledgesOnlyWhatThisTermsLeaderVerified) {
  Solo s(3, {1, 1, 1, 1});
  s.from(2, Heartbeat{Term(2), Index(4), ReadId(), Epoch(1)});
  EXPECT_EQ(s.sent<HeartbeatReply>(2)->match, Index());
  EXPECT_EQ(s.commit(), Index());
  s.from(2, append_of(2, log_id(1, 2), {}));
  EXPECT_EQ(s.sent<AppendReply>(2)->match, Index(2));
  s.from(2, Heartbeat{Term(2), Index(4), ReadId(), Epoch(1)});
  EXPECT_EQ(s.commit(), Index(2));
}

// One acknowledgement for a whole batch of appends.
TEST(Follower, ATurnAcknowledgesOnce) {
  Solo s(3);
  s.turn({Received{peer_id(2), append_of(1, log_id(1, 1), {command(1, 2)})},
          Received{peer_id(2), append_of(1, log_id(1, 2), {command(1, 3)})}});
  EXPECT_EQ(s.out.io->append.size(), 2U);
  s.durable();
  EXPECT_EQ(s.out.sends.size(), 1U);
}

// P5: the commit index follows what this append verified, not what the log happens to hold (B2).
TEST(Follower, P5CommitsOnlyWhatTheMessageVerified) {
  Solo s(3, {1, 1, 1, 1});
  s.from(2, append_of(2, log_id(1, 2), {}, 4));
  EXPECT_EQ(s.commit(), Index(2));
  EXPECT_EQ(s.out.commit.through, Index(2));
}

// Nothing is applied before the own log holds it (2.2 rule 5).
TEST(Follower, AppliesUpToItsStableIndex) {
  Solo s(3);
  s.from(2, append_of(1, log_id(1, 1), {command(1, 2)}, 2));
  EXPECT_EQ(s.commit(), Index(2));
  EXPECT_EQ(s.out.commit.through, Index(1));
  s.durable();
  EXPECT_EQ(s.out.commit.after, Index(1));
  EXPECT_EQ(s.out.commit.through, Index(2));
  ASSERT_EQ(s.out.commit.entries.size(), 1U);
  EXPECT_EQ(s.out.commit.entries[0], command(1, 2));
}

// P6, B3: a repeated or shorter append is no conflict.
TEST(Follower, P6ARepeatedShorterAppendDropsNothing) {
  Solo s(3);
  s.from(2, append_of(1, log_id(1, 1), {command(1, 2), command(1, 3), command(1, 4)}));
  s.from(2, append_of(1, log_id(1, 1), {command(1, 2)}));
  EXPECT_EQ(s.last(), Index(4));
  EXPECT_FALSE(s.out.io);
}

// Thesis 3.5, Figure 7 of the Raft paper: a leader of term 8 with the log 1 1 1 4 4 5 5 6 6 6 meets
// every kind of follower log. Its walk back through the hints must end in equal logs.
TEST(Follower, Figure7EveryLogIsBroughtIntoLine) {
  const std::vector<std::uint64_t> leader_terms{1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  const std::vector<std::vector<std::uint64_t>> follower_terms{
      {1, 1, 1, 4, 4, 5, 5, 6, 6},           // a: misses one
      {1, 1, 1, 4},                          // b: misses many
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},     // c: one too many
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},  // d: of a later term
      {1, 1, 1, 4, 4, 4, 4},                 // e
      {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},     // f
  };
  for (std::size_t i = 0; i < follower_terms.size(); ++i) {
    SCOPED_TRACE(static_cast<char>('a' + i));
    BootState boot = boot_state(3, leader_terms);
    boot.hard_state.term = Term(7);
    Solo leader(std::move(boot));
    BootState other = boot_state(3, follower_terms[i]);
    other.self = peer_id(2);
    Solo follower(std::move(other));
    leader.lead({3});
    ASSERT_EQ(leader.role(), RoleState::leader);
    for (int exchange = 0; exchange < 40 && leader.core.metrics().peers[0].match != Index(11);
         ++exchange) {
      const auto* spec = leader.spec(2);
      Append append;
      if (spec != nullptr) {
        append = in_stream(spec->epoch, append_of(8, spec->prev, {}));
        for (Index at = spec->lo; at <= spec->hi; at = at + 1) {
          append.entries.push_back(command(leader_terms[at.value - 1], at.value));
        }
      } else if (leader.sent<Append>(2) != nullptr) {
        append = *leader.sent<Append>(2);
      } else {
        leader.ticks(1);
        continue;
      }
      follower.from(1, append);
      // A refusal comes at once, an acknowledgement with the disk.
      if (follower.sent<AppendReply>(1) == nullptr) follower.durable();
      ASSERT_NE(follower.sent<AppendReply>(1), nullptr);
      leader.from(2, *follower.sent<AppendReply>(1));
    }
    ASSERT_EQ(follower.last(), Index(11));
    for (std::uint64_t at = 1; at <= 11; ++at) {
      EXPECT_EQ(follower.core.term_at(Index(at)), leader.core.term_at(Index(at)));
    }
    // The last acknowledgement makes a quorum, and the next message says so.
    EXPECT_EQ(leader.core.metrics().peers[0].match, Index(11));
  }
}

// A proven conflict drops the rest of the log, lowers the stable index at once, and one write holds
// truncation, hard state and the new entries (P2, P6).
TEST(Follower, P6AConflictTruncatesInTheSameWrite) {
  Solo s(3, {1, 2, 2, 2});
  s.from(2, append_of(3, log_id(2, 2), {command(3, 3)}));
  ASSERT_TRUE(s.out.io);
  EXPECT_EQ(s.out.io->truncate_from, Index(3));
  EXPECT_EQ(s.out.io->hard_state, (HardState{Term(3), std::nullopt}));
  ASSERT_EQ(s.out.io->append.size(), 1U);
  EXPECT_EQ(s.stable(), Index(2));
  EXPECT_EQ(s.last(), Index(3));
  s.durable();
  EXPECT_EQ(s.stable(), Index(3));
}

// D2: the completion of an older write must not acknowledge what replaced its entries.
TEST(Follower, AnOldCompletionDoesNotAcknowledgeNewEntries) {
  Solo s(3);
  s.from(2, append_of(1, log_id(1, 1), {command(1, 2), command(1, 3)}));
  const IoId old = s.issued;
  s.from(3, in_stream(Epoch(7), append_of(2, log_id(1, 1), {command(2, 2), command(2, 3)})));
  s.turn({LogDurable{old}});
  const AppendReply* early = s.sent<AppendReply>(3);
  EXPECT_TRUE(early == nullptr || early->match <= Index(1));
  s.turn({LogDurable{s.issued}});
  EXPECT_EQ(s.sent<AppendReply>(3)->match, Index(3));
  EXPECT_EQ(s.sent<AppendReply>(3)->epoch, Epoch(7));
}

// Within one batch entries may come and go without ever reaching the disk.
TEST(Follower, EntriesReplacedWithinATurnAreNotWritten) {
  Solo s(3);
  s.turn({Received{peer_id(2), append_of(1, log_id(1, 1), {command(1, 2), command(1, 3)})},
          Received{peer_id(3), append_of(2, log_id(1, 2), {command(2, 3, "new")})}});
  ASSERT_TRUE(s.out.io);
  EXPECT_FALSE(s.out.io->truncate_from);
  ASSERT_EQ(s.out.io->append.size(), 2U);
  EXPECT_EQ(s.out.io->append[1], command(2, 3, "new"));
}

TEST(Follower, RefusesAPrevItDoesNotHoldWithAHint) {
  Solo s(3, {1, 1, 3, 3, 3});
  s.from(2, append_of(5, log_id(4, 9), {}));
  EXPECT_FALSE(s.sent<AppendReply>(2)->accepted);
  EXPECT_EQ(s.sent<AppendReply>(2)->match, Index(5));  // its last
  EXPECT_EQ(s.sent<AppendReply>(2)->conflict_term, Term(3));
  s.from(2, append_of(5, log_id(4, 4), {}));
  EXPECT_EQ(s.sent<AppendReply>(2)->match, Index(2));  // before its run of term 3
  EXPECT_EQ(s.sent<AppendReply>(2)->conflict_term, Term(1));
}

// P7: a prev below the purge point was committed, hence agrees; what is purged is skipped.
TEST(Follower, P7APrevBelowThePurgePointIsAMatch) {
  BootState boot = boot_state(3, {1, 1, 1, 1, 1});
  boot.purged = log_id(1, 3);
  boot.runs = {{Index(4), Term(1)}};
  boot.applied = Index(3);
  Solo s(std::move(boot));
  std::vector<Entry> entries;
  for (std::uint64_t i = 2; i <= 6; ++i) entries.push_back(command(1, i));
  s.from(2, append_of(1, log_id(1, 1), entries));
  EXPECT_EQ(s.last(), Index(6));
  ASSERT_EQ(s.out.io->append.size(), 1U);
  s.durable();
  EXPECT_EQ(s.sent<AppendReply>(2)->match, Index(6));
}

// The sender may lead the own term by the time it hears, and a stream of then may bear the same
// number: the answer names none, or it would be taken for a refusal of that stream.
TEST(Follower, AnAppendOfAnOlderTermIsAnsweredWithTheOwnTermAndNoStream) {
  Solo s(3, {1, 4});
  s.from(2, append_of(3, log_id(1, 1), {command(3, 2)}));
  EXPECT_FALSE(s.sent<AppendReply>(2)->accepted);
  EXPECT_EQ(s.sent<AppendReply>(2)->term, Term(4));
  EXPECT_EQ(s.sent<AppendReply>(2)->epoch, Epoch());
  s.from(2, Heartbeat{Term(3), Index(1), ReadId(1), Epoch(1), Index()});
  EXPECT_EQ(s.sent<HeartbeatReply>(2)->term, Term(4));
  EXPECT_EQ(s.sent<HeartbeatReply>(2)->epoch, Epoch());
  EXPECT_EQ(s.last(), Index(2));
  EXPECT_EQ(s.leader(), 0U);
}

// A configuration is in force when it is appended and falls with a truncation (2.4).
TEST(Follower, TheConfigurationFollowsTheLog) {
  Solo s(boot_state(3, {}));
  s.from(2, append_of(1, LogId{}, {config_entry(log_id(1, 1), voters(3))}));
  ASSERT_TRUE(s.out.config);
  EXPECT_EQ(s.out.config->config, voters(3));
  s.durable();
  s.from(3, append_of(2, LogId{}, {config_entry(log_id(2, 1), voters(5))}));
  EXPECT_EQ(s.out.config->config, voters(5));
  EXPECT_EQ(s.core.config(), voters(5));
}

TEST(Follower, AnAppendThatCannotBeReadCountsAsLost) {
  Solo s(boot_state(3, {}));
  s.from(2, append_of(1, LogId{},
                      {Entry{log_id(1, 1), EntryKind::config, Bytes(std::string_view("?"))}}));
  EXPECT_EQ(s.last(), Index());
  EXPECT_TRUE(s.out.sends.empty());
}

}  // namespace
}  // namespace aspen::raft
