// Purging and snapshots: rules P7 to P9, mistakes of rows B4 and E.
#include <gtest/gtest.h>

#include "tests/raft/solo.h"

namespace aspen::raft {
namespace {

// A leader of three with entries 1 to 6; node 2 holds all, node 3 only as much as said.
Solo leader_with_a_laggard(std::uint64_t keep) {
  BootState boot = boot_state(3);
  boot.tuning.purge_entries = 1;
  boot.tuning.keep_entries = keep;
  Solo s(std::move(boot));
  s.lead({2});
  const Epoch two = s.sent<Append>(2)->epoch;
  for (std::uint64_t i = 0; i < 4; ++i) s.propose(10 + i);
  s.durable();
  s.durable();
  s.from(2, AppendReply{Term(2), two, true, Index(6), Term()});
  return s;
}

Epoch epoch_of(const Solo& s, std::size_t peer) {
  return s.core.metrics().peers.at(peer).epoch;
}
AppendReply refusal(const Solo& s, std::size_t peer, std::uint64_t last) {
  return AppendReply{Term(s.term()), epoch_of(s, peer), false, Index(last), Term(1), Index(last)};
}
SnapshotMeta meta(std::uint64_t term, std::uint64_t index, const Config& config = voters(3)) {
  return {log_id(term, index), {log_id(1, 1), config}};
}

TEST(Snapshot, ALaggardHoldsThePurgeBackAsFarAsEntriesAreKept) {
  Solo s = leader_with_a_laggard(1000);
  s.turn({Applied{Index(6), Index(6)}});
  EXPECT_FALSE(s.out.purge);
  s.turn({PurgeUpTo{Index(3)}});
  EXPECT_EQ(s.out.purge, Index(3));
  s.turn({PurgeUpTo{Index(99)}});
  EXPECT_EQ(s.out.purge, Index(6));  // never beyond the durable state

  Solo few = leader_with_a_laggard(2);
  few.turn({Applied{Index(6), Index(5)}});
  EXPECT_EQ(few.out.purge, Index(4));
}

// What is purged is asked for as a snapshot, once; only heartbeats leave meanwhile.
TEST(Snapshot, APeerThatNeedsWhatIsPurgedWaitsForASnapshot) {
  Solo s = leader_with_a_laggard(2);
  s.turn({Applied{Index(6), Index(6)}});
  ASSERT_EQ(s.out.purge, Index(4));
  s.from(3, refusal(s, 1, 1));
  ASSERT_EQ(s.out.snapshots.size(), 1U);
  EXPECT_EQ(s.out.snapshots[0], (SnapshotRequest{peer_id(3), epoch_of(s, 1), Index(4)}));
  EXPECT_EQ(s.core.metrics().peers[1].state, ProgressState::snapshot);
  s.from(3, refusal(s, 1, 1));
  EXPECT_TRUE(s.out.snapshots.empty());
  s.propose(20);
  EXPECT_EQ(s.sent<Append>(3), nullptr);
  s.ticks(2);
  EXPECT_NE(s.sent<Heartbeat>(3), nullptr);

  const Epoch epoch = epoch_of(s, 1);
  s.turn(
      {SnapshotSent{peer_id(3), Epoch(epoch.value - 1), log_id(2, 6), SnapshotResult::installed}});
  EXPECT_EQ(s.core.metrics().peers[1].state, ProgressState::snapshot);  // E5
  s.turn({SnapshotSent{peer_id(3), epoch, log_id(2, 6), SnapshotResult::installed}});
  ASSERT_NE(s.sent<Append>(3), nullptr);
  EXPECT_EQ(s.sent<Append>(3)->prev, log_id(2, 6));
  EXPECT_EQ(s.core.metrics().peers[1].match, Index());  // its own word counts, not the driver's
  s.from(3, AppendReply{Term(2), epoch_of(s, 1), true, Index(7), Term()});
  EXPECT_EQ(s.core.metrics().peers[1].match, Index(7));
}

// Only the refusal of the append at the purge point says so: that of an earlier guess, repeated by
// the network while this one is under way, does not.
TEST(Snapshot, ARepeatedRefusalOfAnEarlierGuessAsksForNone) {
  Solo s = leader_with_a_laggard(2);
  const AppendReply early = refusal(s, 1, 1);
  s.turn({Applied{Index(6), Index(6)}});
  ASSERT_EQ(s.out.purge, Index(4));
  s.from(3, early);
  EXPECT_TRUE(s.out.snapshots.empty());
  EXPECT_EQ(s.core.metrics().peers[1].state, ProgressState::probe);

  Solo log(boot_state(3, std::vector<std::uint64_t>(9, 1)));
  log.lead({2});
  log.from(3, refusal(log, 1, 7));
  const AppendReply first{Term(2), Epoch(epoch_of(log, 1).value - 1), false, Index(7), Term(1),
                          Index(7)};
  const Epoch now = epoch_of(log, 1);
  log.from(3, first);
  EXPECT_EQ(epoch_of(log, 1), now);
  EXPECT_EQ(log.core.metrics().peers[1].next, Index(8));
}

TEST(Snapshot, AFailedTransferIsAskedForAgain) {
  Solo s = leader_with_a_laggard(2);
  s.turn({Applied{Index(6), Index(6)}});
  s.from(3, refusal(s, 1, 1));
  s.turn({SnapshotSent{peer_id(3), epoch_of(s, 1), LogId{}, SnapshotResult::failed}});
  EXPECT_EQ(s.sent<Append>(3), nullptr);  // not at once
  s.ticks(2);
  ASSERT_NE(s.sent<Append>(3), nullptr);
  s.from(3, refusal(s, 1, 1));
  EXPECT_EQ(s.out.snapshots.size(), 1U);
}

TEST(Snapshot, APeerThatHoldsThePurgePointNeedsNone) {
  Solo s = leader_with_a_laggard(2);
  s.turn({Applied{Index(6), Index(6)}});
  s.from(3, refusal(s, 1, 1));
  s.from(3, HeartbeatReply{Term(2), epoch_of(s, 1), ReadId(), Index(5)});
  EXPECT_EQ(s.core.metrics().peers[1].state, ProgressState::probe);
  ASSERT_NE(s.sent<Append>(3), nullptr);
  EXPECT_EQ(s.sent<Append>(3)->prev.index, Index(5));
}

// It holds the purge point in memory and less on its disk: from there on nothing can be sent again.
TEST(Snapshot, AnAcknowledgementBelowThePurgePointDoesNotMoveTheStreamThere) {
  Solo s = leader_with_a_laggard(2);
  s.turn({Applied{Index(6), Index(6)}});
  ASSERT_EQ(s.out.purge, Index(4));
  s.from(3, AppendReply{Term(2), epoch_of(s, 1), true, Index(2), Term()});
  EXPECT_EQ(s.core.metrics().peers[1].match, Index(2));
  EXPECT_EQ(s.core.metrics().peers[1].next, Index(5));
  s.from(3, AppendReply{Term(2), epoch_of(s, 1), true, Index(4), Term()});
  EXPECT_EQ(s.core.metrics().peers[1].state, ProgressState::replicate);
  ASSERT_NE(s.sent<Append>(3), nullptr);
  EXPECT_EQ(s.sent<Append>(3)->prev.index, Index(4));
}

// ---- the receiver

TEST(Snapshot, AShorterLogIsResetAndGoesOnBehindIt) {
  Solo s(3, {1, 1});
  const Config joined = voters(2);
  s.turn({SnapshotInstalled{meta(4, 9, joined)}});
  ASSERT_TRUE(s.out.io);
  EXPECT_EQ(s.out.io->reset, meta(4, 9, joined));
  ASSERT_TRUE(s.out.io->hard_state);
  EXPECT_EQ(s.out.io->hard_state->term, Term(4));
  EXPECT_EQ(s.core.config(), joined);
  EXPECT_EQ(s.commit(), Index(9));
  EXPECT_EQ(s.last(), Index(9));
  s.from(2, append_of(5, log_id(4, 9), {command(5, 10)}, 10));
  s.durable();
  EXPECT_EQ(s.out.commit.after, Index(9));
  EXPECT_EQ(s.out.commit.through, Index(10));
  EXPECT_EQ(s.core.config_at(Index(10)).config, joined);
}

// What was known to be committed beyond it, and is not durable here, comes once more.
TEST(Snapshot, AResetTakesBackTheKnowledgeOfWhatIsCommittedBeyondIt) {
  Solo s(3, {1});
  std::vector<Entry> entries;
  for (std::uint64_t i = 2; i <= 12; ++i) entries.push_back(command(1, i));
  s.from(2, append_of(1, log_id(1, 1), entries, 12));
  EXPECT_EQ(s.commit(), Index(12));
  s.turn({SnapshotInstalled{meta(1, 9)}});
  EXPECT_EQ(s.commit(), Index(9));
  EXPECT_EQ(s.last(), Index(9));
  s.from(2, append_of(1, log_id(1, 9), {command(1, 10), command(1, 11)}, 12));
  EXPECT_EQ(s.commit(), Index(11));
}

// A crash may leave the reset without the hard state of the same write (P2).
TEST(Snapshot, ALogOfALaterTermThanTheHardStateRaisesIt) {
  BootState boot = boot_state(3);
  boot.purged = log_id(4, 5);
  boot.runs.clear();
  boot.last = boot.applied = Index(5);
  Solo s(std::move(boot));
  EXPECT_EQ(s.term(), 4U);
  s.turn({});
  EXPECT_EQ(s.out.io->hard_state, (HardState{Term(4), std::nullopt}));
}

// E2: a tail behind a position that conflicts was never committed.
TEST(Snapshot, ALongerLogThatConflictsIsDropped) {
  Solo s(3, {1, 1, 2, 2, 2});
  s.turn({SnapshotInstalled{meta(3, 4)}});
  EXPECT_EQ(s.last(), Index(4));
  EXPECT_EQ(s.core.metrics().last, log_id(3, 4));
  EXPECT_TRUE(s.out.io->reset);
}

TEST(Snapshot, ALogThatHoldsItIsKept) {
  Solo s(3, {1, 1, 2, 2, 2});
  s.turn({SnapshotInstalled{meta(2, 4)}});
  EXPECT_FALSE(s.out.io);
  EXPECT_EQ(s.commit(), Index(4));
  EXPECT_EQ(s.last(), Index(5));
  EXPECT_EQ(s.core.metrics().applied, log_id(2, 4));
}

// E3.
TEST(Snapshot, WhatIsOlderThanThePurgePointChangesNothing) {
  BootState boot = boot_state(3);
  boot.purged = log_id(4, 5);
  boot.hard_state.term = Term(4);
  boot.runs.clear();
  boot.last = boot.applied = Index(5);
  Solo s(std::move(boot));
  s.turn({SnapshotInstalled{meta(3, 4)}});
  EXPECT_FALSE(s.out.io);
  EXPECT_EQ(s.commit(), Index(5));
}

// A write from before the reset proves nothing of the log behind it.
TEST(Snapshot, AWriteFromBeforeTheResetProvesNothingBehindIt) {
  Solo s(3, {1});
  std::vector<Entry> entries;
  for (std::uint64_t i = 2; i <= 12; ++i) entries.push_back(command(1, i));
  s.from(2, append_of(1, log_id(1, 1), entries));
  const IoId old = s.issued;
  s.turn({SnapshotInstalled{meta(4, 9)}});
  s.from(2, append_of(5, log_id(4, 9), {command(5, 10)}));
  s.turn({LogDurable{old}});
  EXPECT_EQ(s.stable(), Index(9));
  s.durable();
  EXPECT_EQ(s.stable(), Index(10));
}

TEST(Snapshot, ConfigurationIsThatOfTheEntry) {
  Solo s(3, {1, 1});
  s.from(2, append_of(1, log_id(1, 2), {config_entry(log_id(1, 3), voters(4)), command(1, 4)}, 4));
  EXPECT_EQ(s.core.config_at(Index(2)).config, voters(3));
  EXPECT_EQ(s.core.config_at(Index(3)).config, voters(4));
  EXPECT_EQ(s.core.config_at(Index(4)).id, log_id(1, 3));
}

}  // namespace
}  // namespace aspen::raft
