// The leader's side of replication: thesis 3.5, 3.6.2 and 10.2; rules P4 and P5; windows, probes
// and commit notices.
#include <gtest/gtest.h>

#include "node/base/limits.h"
#include "tests/raft/solo.h"

namespace aspen::raft {
namespace {

// A leader of three whose followers hold everything, blank entry included.
Solo settled_leader(Tuning tuning = small_tuning()) {
  BootState boot = boot_state(3);
  boot.tuning = tuning;
  Solo s(std::move(boot));
  s.lead({2});
  const AppendReply two = accept(s, 2, 2);
  const AppendReply three = accept(s, 3, 2);
  s.durable();
  s.from(2, two);
  s.from(3, three);
  return s;
}

std::size_t appends_to(const Solo& s, std::uint64_t n) {
  std::size_t count = 0;
  for (const Send& send : s.out.sends) {
    const auto* message = std::get_if<Message>(&send.what);
    if (send.to.id.value != n) continue;
    if (message == nullptr || std::holds_alternative<Append>(*message)) ++count;
  }
  return count;
}

// Thesis 6.4: one blank entry per leadership, sent in parallel with the own disk (10.2.1).
TEST(Replication, ANewLeaderSendsOneBlankEntryBesideItsDisk) {
  Solo s(3);
  s.lead({2});
  ASSERT_EQ(s.role(), RoleState::leader);
  ASSERT_NE(s.sent<Append>(2), nullptr);
  EXPECT_EQ(s.sent_as<Append>(2)->after, IoId());
  ASSERT_EQ(s.sent<Append>(2)->entries.size(), 1U);
  EXPECT_EQ(s.sent<Append>(2)->entries[0].kind, EntryKind::blank);
  EXPECT_EQ(s.sent<Append>(2)->entries[0].id, log_id(2, 2));
  EXPECT_EQ(s.out.io->append.size(), 1U);
}

// P4: the leader counts itself when it is durable. Others may commit without it, but it applies
// only what it holds.
TEST(Replication, P4TheLeaderCountsItselfWhenDurable) {
  Solo s(3);
  s.lead({2});
  const AppendReply two = accept(s, 2, 2);
  const AppendReply three = accept(s, 3, 2);
  s.from(2, two);
  EXPECT_EQ(s.commit(), Index());
  s.from(3, three);
  EXPECT_EQ(s.commit(), Index(2));
  EXPECT_EQ(s.out.commit.through, Index(1));
  s.durable();
  EXPECT_EQ(s.out.commit.through, Index(2));
}

// P5, thesis 3.6.2, Figure 3.7 (Figure 8 of the paper): an entry of an older term is on a majority,
// and is not committed by that, but with the first entry of the own term behind it.
TEST(Replication, P5Figure8OlderTermsAreNotCommittedByCounting) {
  Solo s(5, {1, 2});
  s.lead({2, 3});  // term 3; the blank entry is 3
  s.durable();
  for (std::uint64_t n : {2U, 3U}) {
    s.from(n, AppendReply{Term(3), Epoch(n - 1), true, Index(2), Term()});
  }
  EXPECT_EQ(s.core.metrics().peers[0].match, Index(2));
  EXPECT_EQ(s.core.metrics().peers[1].match, Index(2));
  EXPECT_EQ(s.commit(), Index());
  s.from(2, AppendReply{Term(3), Epoch(1), true, Index(3), Term()});
  EXPECT_EQ(s.commit(), Index());
  s.from(3, AppendReply{Term(3), Epoch(2), true, Index(3), Term()});
  EXPECT_EQ(s.commit(), Index(3));
}

// In the flush where the commit index advances every follower hears of it, with the appends of that
// flush or by a heartbeat.
TEST(Replication, TheCommitNoticeLeavesAtOnce) {
  Solo s = settled_leader();
  EXPECT_EQ(s.commit(), Index(2));
  s.propose(7);
  const AppendReply reply = accept(s, 2, 3);
  const AppendReply other = accept(s, 3, 3);
  s.durable();
  s.from(2, reply);
  EXPECT_EQ(s.commit(), Index(3));
  ASSERT_NE(s.sent<Heartbeat>(2), nullptr);
  EXPECT_EQ(s.sent<Heartbeat>(2)->commit, Index(3));
  // Node 3 is not known to hold it yet; it hears when it is.
  EXPECT_EQ(s.sent<Heartbeat>(3), nullptr);
  s.turn({Received{peer_id(3), other}, Propose{RequestId(8), EntryKind::command, Bytes()}});
  ASSERT_NE(s.sent<Append>(3), nullptr);
  EXPECT_EQ(s.sent<Append>(3)->commit, Index(3));
  EXPECT_EQ(s.sent<Heartbeat>(3), nullptr);
}

// Appends share payloads and leave without waiting for earlier ones, within the window.
TEST(Replication, PipelinesWithinTheWindow) {
  Tuning tuning = small_tuning();
  tuning.window_appends = 3;
  Solo s = settled_leader(tuning);
  const std::string text(100, 'x');
  for (std::uint64_t i = 0; i < 3; ++i) {
    s.propose(10 + i, text);
    EXPECT_EQ(appends_to(s, 2), 1U);
    EXPECT_EQ(s.sent<Append>(2)->prev.index, Index(2 + i));
    EXPECT_EQ(s.core.metrics().peers[0].in_flight_bytes, 132 * (i + 1));
  }
  const Epoch epoch = s.sent<Append>(2)->epoch;
  s.propose(13, text);
  EXPECT_EQ(appends_to(s, 2), 0U);
  // One acknowledgement frees one append, and what waited leaves in the same flush.
  s.from(2, AppendReply{Term(2), epoch, true, Index(3), Term()});
  EXPECT_EQ(appends_to(s, 2), 1U);
  EXPECT_EQ(s.core.metrics().peers[0].in_flight_bytes, 3 * 132U);
  // A heartbeat's match frees as well.
  s.from(2, HeartbeatReply{Term(2), epoch, ReadId(), Index(6)});
  EXPECT_EQ(s.core.metrics().peers[0].in_flight_bytes, 0U);
}

TEST(Replication, BatchesAreCutAtAppendBytes) {
  Tuning tuning = small_tuning();
  tuning.append_bytes = 100;
  Solo s = settled_leader(tuning);
  std::vector<Input> inputs;
  for (std::uint64_t i = 0; i < 5; ++i) {
    inputs.push_back(Propose{RequestId(10 + i), EntryKind::command, Bytes(std::string(18, 'x'))});
  }
  s.turn(std::move(inputs));
  EXPECT_EQ(appends_to(s, 2), 3U);  // 50 bytes each
}

// B6: an acknowledgement of a stream that is over proves nothing about the new one.
TEST(Replication, AnotherEpochsAcknowledgementIsDropped) {
  Solo s = settled_leader();
  s.propose(7);
  const AppendReply old = accept(s, 2, 3);
  s.turn({PeerLink{peer_id(2), true}});
  ASSERT_NE(s.sent<Append>(2), nullptr);
  EXPECT_GT(s.sent<Append>(2)->epoch, old.epoch);
  EXPECT_EQ(s.core.metrics().peers[0].in_flight_bytes, 0U);
  s.from(2, old);
  EXPECT_EQ(s.core.metrics().peers[0].match, Index(2));
}

// B8: a lost probe is sent again at the heartbeat.
TEST(Replication, ALostProbeIsRetriedAtTheHeartbeat) {
  Solo s(3);
  s.lead({2});
  s.propose(7);
  EXPECT_EQ(s.sent<Append>(3), nullptr);  // one at a time
  s.ticks(2);
  ASSERT_NE(s.sent<Append>(3), nullptr);
  EXPECT_EQ(s.sent<Append>(3)->entries.size(), 2U);
}

// B8: a lost append in an idle group is noticed by an empty one, refused, and sent again.
TEST(Replication, ALostAppendIsNoticedWithoutANewEntry) {
  Solo s = settled_leader();
  s.propose(7);  // lost on its way to node 2
  s.ticks(2);
  s.ticks(2);
  const Append* check = s.sent<Append>(2);
  ASSERT_NE(check, nullptr);
  EXPECT_TRUE(check->entries.empty());
  EXPECT_EQ(check->prev.index, Index(3));
  s.from(2, AppendReply{Term(2), check->epoch, false, Index(2), Term(2)});
  ASSERT_NE(s.sent<Append>(2), nullptr);
  EXPECT_EQ(s.sent<Append>(2)->entries.size(), 1U);
  EXPECT_EQ(s.sent<Append>(2)->prev.index, Index(2));
}

// A follower that restarted has verified nothing; its heartbeat's match falls and it is asked
// again.
TEST(Replication, ARestartedFollowerIsVerifiedAgain) {
  Solo s = settled_leader();
  s.propose(7);
  const Epoch epoch = s.sent<Append>(2)->epoch;
  s.durable();
  s.from(2, AppendReply{Term(2), epoch, true, Index(3), Term()});
  s.from(2, HeartbeatReply{Term(2), epoch, ReadId(), Index()});
  ASSERT_NE(s.sent<Append>(2), nullptr);
  EXPECT_EQ(s.sent<Append>(2)->prev.index, Index(3));
}

// A refusal that is older than what was acknowledged since changes nothing.
TEST(Replication, AStaleRefusalIsIgnored) {
  Solo s = settled_leader();
  s.propose(7);
  const Epoch epoch = s.sent<Append>(2)->epoch;
  s.from(2, AppendReply{Term(2), epoch, true, Index(3), Term()});
  s.from(2, AppendReply{Term(2), Epoch(epoch.value - 1), false, Index(1), Term(1)});
  EXPECT_EQ(s.core.metrics().peers[0].match, Index(3));
  EXPECT_EQ(s.core.metrics().peers[0].next, Index(4));
  EXPECT_TRUE(s.out.sends.empty());
}

// Entries that left the memory are read by the driver, one append at a time; then the pipeline goes
// on.
TEST(Replication, EntriesBelowTheTailAreAskedFromTheDriver) {
  BootState boot = boot_state(3, std::vector<std::uint64_t>(9, 1));
  Solo s(std::move(boot));
  s.lead({2});  // the blank entry is 10
  const Epoch guess = s.sent<Append>(3)->epoch;
  s.from(3, AppendReply{Term(2), guess, false, Index(4), Term(1)});
  ASSERT_NE(s.sent<Append>(3), nullptr);
  EXPECT_TRUE(s.sent<Append>(3)->entries.empty());  // the next guess
  const Epoch epoch = s.sent<Append>(3)->epoch;
  s.from(3, AppendReply{Term(2), epoch, true, Index(4), Term()});
  const AppendSpec* spec = s.spec(3);
  ASSERT_NE(spec, nullptr);
  EXPECT_EQ(spec->prev, log_id(1, 4));
  EXPECT_EQ(spec->lo, Index(5));
  EXPECT_EQ(spec->hi, Index(9));
  EXPECT_EQ(spec->term_hi, Term(1));
  s.propose(7);
  EXPECT_EQ(appends_to(s, 3), 0U);
  // The driver may have sent fewer; the rest is asked for.
  s.from(3, AppendReply{Term(2), epoch, true, Index(7), Term()});
  ASSERT_NE(s.spec(3), nullptr);
  EXPECT_EQ(s.spec(3)->lo, Index(8));
  s.from(3, AppendReply{Term(2), epoch, true, Index(9), Term()});
  ASSERT_NE(s.sent<Append>(3), nullptr);
  EXPECT_EQ(s.sent<Append>(3)->entries.size(), 2U);
}

// A peer whose disk is slow answers, and repeats its answers, before it holds anything new: that
// must not make the leader send the same entries again, or duplicates would breed duplicates.
TEST(Replication, AnAnswerWithoutNewsDoesNotRepeatTheEntries) {
  Solo s(boot_state(3, std::vector<std::uint64_t>(9, 1)));
  s.lead({2});
  s.from(3, AppendReply{Term(2), s.sent<Append>(3)->epoch, false, Index(4), Term(1)});
  const Epoch epoch = s.sent<Append>(3)->epoch;
  s.from(3, AppendReply{Term(2), epoch, true, Index(4), Term()});
  ASSERT_NE(s.spec(3), nullptr);
  for (int copy = 0; copy < 3; ++copy) {
    s.from(3, AppendReply{Term(2), epoch, true, Index(4), Term()});
    EXPECT_EQ(s.spec(3), nullptr);
    EXPECT_EQ(appends_to(s, 3), 0U);
  }
  // The log is read for it, which may take longer than a heartbeat's interval.
  s.ticks(small_tuning().heartbeat_ticks);
  EXPECT_EQ(s.spec(3), nullptr);
  s.ticks(small_tuning().heartbeat_ticks);
  ASSERT_NE(s.spec(3), nullptr);
  EXPECT_EQ(s.spec(3)->lo, Index(5));
}

// What the driver read late, for a stream that went on or ended, is not sent.
TEST(Replication, AReadOfTheLogIsWantedAsLongAsItIsTheNext) {
  Solo s(boot_state(3, std::vector<std::uint64_t>(9, 1)));
  s.lead({2});
  s.from(3, AppendReply{Term(2), s.sent<Append>(3)->epoch, false, Index(4), Term(1), Index(9)});
  const Epoch epoch = s.sent<Append>(3)->epoch;
  s.from(3, AppendReply{Term(2), epoch, true, Index(4), Term()});
  ASSERT_NE(s.spec(3), nullptr);
  const AppendSpec spec = *s.spec(3);
  EXPECT_TRUE(s.core.wants(peer_id(3), spec));
  EXPECT_FALSE(s.core.wants(peer_id(2), spec));
  s.from(3, AppendReply{Term(2), epoch, true, Index(6), Term()});
  EXPECT_FALSE(s.core.wants(peer_id(3), spec));
  ASSERT_NE(s.spec(3), nullptr);
  const AppendSpec next = *s.spec(3);
  EXPECT_TRUE(s.core.wants(peer_id(3), next));
  s.turn({PeerLink{peer_id(3), true}});
  EXPECT_FALSE(s.core.wants(peer_id(3), next));
}

// A disk that hangs: the others commit, and memory stays bounded, by the cap on bytes and by the
// number of writes in flight; when it goes on, one write holds all that gathered.
TEST(Replication, ALeaderWhoseDiskHangsTakesNoMoreThanItsCap) {
  Tuning tuning = small_tuning();
  tuning.uncommitted_bytes = 400;
  Solo s = settled_leader(tuning);
  std::size_t writes = 0;
  std::uint64_t taken = 0;
  for (std::uint64_t i = 0; i < 50; ++i) {
    s.propose(10 + i);
    if (s.out.io) ++writes;
    if (s.completion(10 + i) != nullptr) {
      EXPECT_EQ(s.completion(10 + i)->reason, Code::overloaded);
      continue;
    }
    ++taken;
    const Index last = s.last();
    for (const std::uint64_t n : {2U, 3U}) {
      const PeerMetrics peer = s.core.metrics().peers[n - 2];
      s.from(n, AppendReply{Term(2), peer.epoch, true, last, Term()});
    }
    EXPECT_EQ(s.commit(), last);
  }
  EXPECT_LT(taken, 20U);
  EXPECT_EQ(writes, limits::log_io_in_flight_max);
  s.durable();
  ASSERT_TRUE(s.out.io);
  EXPECT_EQ(s.out.io->append.back().id.index, s.last());
  s.durable();
  EXPECT_EQ(s.stable(), s.last());
  EXPECT_EQ(s.core.metrics().uncommitted_bytes, 0U);
  EXPECT_EQ(s.out.commit.through, s.last());
}

// A peer whose disk forgot what it had acknowledged counts for nothing any more: an entry that only
// it and the leader hold is not committed, and it is shown.
TEST(Replication, APeerThatLostItsAcknowledgedLogCountsNoMore) {
  Solo s = settled_leader();
  s.turn({PeerLink{peer_id(2), true}});
  const Epoch epoch = s.core.metrics().peers[0].epoch;
  s.propose(7);
  s.durable();
  // From before the loss, or about a tail that was never acknowledged: no proof.
  s.from(2, AppendReply{Term(2), epoch, false, Index(1), Term(1), Index(2)});
  EXPECT_FALSE(s.core.metrics().peers[0].lost_data);
  s.from(2, AppendReply{Term(2), epoch, false, Index(1), Term(1), Index(1)});
  EXPECT_TRUE(s.core.metrics().peers[0].lost_data);
  s.from(2, AppendReply{Term(2), epoch, true, Index(3), Term()});
  EXPECT_EQ(s.commit(), Index(2));
  s.propose(8);
  EXPECT_EQ(appends_to(s, 2), 0U);
}

// What a peer with a bug may say: it is dropped and counted, and ends nothing.
TEST(Replication, ContradictoryAnswersAreCountedAndDropped) {
  Solo s = settled_leader();
  const Epoch epoch = s.core.metrics().peers[0].epoch;
  s.from(2, AppendReply{Term(2), epoch, true, Index(99), Term()});
  s.from(2, HeartbeatReply{Term(2), epoch, ReadId(), Index(99)});
  s.from(2, HeartbeatReply{Term(2), epoch, ReadId(5), Index(2)});
  s.from(2, VoteReply{Term(9), true});
  EXPECT_EQ(s.core.metrics().malformed, 4U);
  EXPECT_EQ(s.role(), RoleState::leader);
  EXPECT_EQ(s.core.metrics().peers[0].match, Index(2));

  BootState boot = boot_state(3);
  boot.purged = log_id(4, 5);
  boot.hard_state.term = Term(4);
  boot.runs.clear();
  boot.last = boot.applied = Index(5);
  Solo follower(std::move(boot));
  follower.from(2, append_of(4, log_id(2, 4), {command(2, 5), command(2, 6)}));
  EXPECT_EQ(follower.core.metrics().malformed, 1U);
  EXPECT_EQ(follower.last(), Index(5));
}

// P9: the least of what all members hold and what the own state would survive a crash with; the
// followers are told.
TEST(Replication, P9PurgesWhatAllMembersHoldAndTheStateHasApplied) {
  Tuning tuning = small_tuning();
  tuning.purge_entries = 2;
  Solo s = settled_leader(tuning);
  for (std::uint64_t i = 0; i < 4; ++i) s.propose(10 + i);
  const Epoch two = s.sent<Append>(2)->epoch;
  const Epoch three = s.sent<Append>(3)->epoch;
  s.durable();
  s.from(2, AppendReply{Term(2), two, true, Index(6), Term()});
  s.turn({Applied{Index(6), Index(5)}});
  EXPECT_EQ(s.out.purge, Index(2));  // node 3 holds no more
  s.from(3, AppendReply{Term(2), three, true, Index(6), Term()});
  EXPECT_EQ(s.out.purge, Index(5));  // the state is not durable beyond
  s.ticks(2);
  EXPECT_EQ(s.sent<Heartbeat>(2)->held, Index(6));
  EXPECT_EQ(s.core.term_at(Index(4)), std::nullopt);
  EXPECT_EQ(s.core.term_at(Index(5)), Term(2));
  EXPECT_EQ(s.core.config(), voters(3));

  BootState boot = boot_state(3, std::vector<std::uint64_t>(6, 1));
  boot.tuning = tuning;
  Solo follower(std::move(boot));
  follower.from(2, append_of(1, log_id(1, 6), {}, 6));
  follower.turn({Applied{Index(6), Index(4)}});
  EXPECT_FALSE(follower.out.purge);
  follower.from(2, Heartbeat{Term(1), Index(6), ReadId(), Epoch(1), Index(5)});
  EXPECT_EQ(follower.out.purge, Index(4));
}

TEST(Replication, HeartbeatsLeaveEveryHeartbeatInterval) {
  Solo s = settled_leader();
  s.ticks(1);
  EXPECT_EQ(s.sent<Heartbeat>(2), nullptr);
  s.ticks(1);
  ASSERT_NE(s.sent<Heartbeat>(2), nullptr);
  EXPECT_EQ(s.sent_as<Heartbeat>(2)->after, IoId());
  EXPECT_EQ(s.sent<Heartbeat>(2)->commit, Index(2));
}

// A12.
TEST(ReplicationDeathTest, TwoLeadersInOneTermEndTheProcess) {
  Solo s = settled_leader();
  EXPECT_DEATH(s.from(3, append_of(2, log_id(1, 1), {})), "assertion failed");
}

// P6.
TEST(ReplicationDeathTest, AConflictBelowTheCommitIndexEndsTheProcess) {
  BootState boot = boot_state(3, {1, 1, 1});
  boot.applied = Index(3);
  Solo s(std::move(boot));
  EXPECT_DEATH(s.from(2, append_of(2, log_id(1, 1), {command(2, 2)})), "assertion failed");
}

}  // namespace
}  // namespace aspen::raft
