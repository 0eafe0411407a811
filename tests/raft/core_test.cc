// Proposals and their ends, boot, limits, and the core as a value: reference Raft thesis 3 and 6.3.
#include "node/raft/core.h"

#include <gtest/gtest.h>

#include "node/base/limits.h"
#include "tests/raft/solo.h"

namespace aspen::raft {
namespace {

TEST(Proposal, CommittedWhenAQuorumHoldsIt) {
  Solo s(3);
  s.lead({2});
  const AppendReply two = accept(s, 2, 2);
  s.from(2, two);
  s.propose(7, "hello");
  EXPECT_EQ(s.completion(7), nullptr);
  s.durable();
  s.from(2, AppendReply{Term(2), two.epoch, true, Index(3), Term()});
  ASSERT_NE(s.completion(7), nullptr);
  EXPECT_EQ(s.completion(7)->outcome, Outcome::committed);
  EXPECT_EQ(s.completion(7)->id, log_id(2, 3));
  EXPECT_EQ(s.core.metrics().uncommitted_bytes, 0U);
}

TEST(Proposal, RefusedBeforeItEntersTheLog) {
  Solo s(3);
  s.propose(1);
  EXPECT_EQ(s.completion(1)->reason, Code::no_leader);
  s.from(2, append_of(1, log_id(1, 1), {}));
  s.propose(2);
  EXPECT_EQ(s.completion(2)->outcome, Outcome::refused);
  EXPECT_EQ(s.completion(2)->reason, Code::not_leader);
  EXPECT_EQ(s.completion(2)->leader, NodeId(2));
  Solo leader(3);
  leader.lead({2});
  leader.propose(3, std::string(limits::entry_bytes_max + 1, 'x'));
  EXPECT_EQ(leader.completion(3)->reason, Code::invalid_argument);
  leader.propose(4, std::string(limits::entry_bytes_max, 'x'));
  EXPECT_EQ(leader.completion(4), nullptr);
}

// B10: one always fits, and what was added is what is subtracted.
TEST(Proposal, TheCapOnUncommittedBytesLetsOneThrough) {
  BootState boot = boot_state(3);
  boot.tuning.uncommitted_bytes = 100;
  Solo s(std::move(boot));
  s.lead({2});
  const AppendReply two = accept(s, 2, 2);
  s.durable();
  s.from(2, two);
  s.propose(1, std::string(500, 'x'));
  EXPECT_EQ(s.completion(1), nullptr);
  s.propose(2);
  ASSERT_NE(s.completion(2), nullptr);
  EXPECT_EQ(s.completion(2)->reason, Code::overloaded);
  s.durable();
  s.from(2, AppendReply{Term(2), two.epoch, true, Index(3), Term()});
  EXPECT_EQ(s.core.metrics().uncommitted_bytes, 0U);
  s.propose(3);
  EXPECT_EQ(s.completion(3), nullptr);
}

// F6: after a step-down nobody here can tell, and nothing is said to be refused.
TEST(Proposal, UnknownWhenTheLeadershipEnds) {
  Solo s(3);
  s.lead({2});
  s.propose(7);
  s.ticks(10);
  ASSERT_EQ(s.role(), RoleState::follower);
  ASSERT_NE(s.completion(7), nullptr);
  EXPECT_EQ(s.completion(7)->outcome, Outcome::unknown);
  EXPECT_EQ(s.completion(7)->id, log_id(2, 3));
  EXPECT_EQ(s.last(), Index(3));  // it may still be committed
}

// What deposes a leader may in the same turn prove what became of its entries.
TEST(Proposal, OverwrittenOrCommittedIfTheSameTurnProvesIt) {
  Solo s(3);
  s.lead({2});
  s.propose(7);
  s.propose(8);
  s.from(3, append_of(3, log_id(2, 2), {command(2, 3, "x"), command(3, 4, "other")}, 4));
  ASSERT_NE(s.completion(7), nullptr);
  EXPECT_EQ(s.completion(7)->outcome, Outcome::committed);
  ASSERT_NE(s.completion(8), nullptr);
  EXPECT_EQ(s.completion(8)->outcome, Outcome::overwritten);
}

// Group commit: all of a turn is one write and one message per peer.
TEST(Flush, ATurnIsOneWriteAndOneMessagePerPeer) {
  Solo s(3);
  s.lead({2});
  const AppendReply two = accept(s, 2, 2);
  s.durable();
  s.from(2, two);
  std::vector<Input> inputs;
  for (std::uint64_t i = 1; i <= 50; ++i) {
    inputs.push_back(Propose{RequestId(i), EntryKind::command, Bytes()});
  }
  s.turn(std::move(inputs));
  ASSERT_TRUE(s.out.io);
  EXPECT_EQ(s.out.io->append.size(), 50U);
  EXPECT_EQ(s.out.sends.size(), 1U);  // node 3 is still being probed
  EXPECT_EQ(s.sent<Append>(2)->entries.size(), 50U);
}

TEST(Flush, PayloadsAreSharedNotCopied) {
  Solo s(3);
  s.lead({2});
  s.from(2, accept(s, 2, 2));
  const Bytes payload(std::string_view("shared by log, peers and state machine"));
  s.turn({Propose{RequestId(7), EntryKind::command, payload}});
  EXPECT_EQ(s.out.io->append.back().payload.data(), payload.data());
  EXPECT_EQ(s.sent<Append>(2)->entries.back().payload.data(), payload.data());
}

TEST(Flush, AnIdleTurnHasNoEffects) {
  Solo s(3);
  s.turn({});
  EXPECT_FALSE(s.out.io);
  EXPECT_TRUE(s.out.sends.empty());
  EXPECT_FALSE(s.out.soft);
  EXPECT_FALSE(s.out.config);
  EXPECT_EQ(s.out.commit.after, s.out.commit.through);
}

// P11: applied state may be ahead of any commit index that was stored; commit is not below it.
TEST(Boot, CommitStartsAtTheAppliedIndex) {
  BootState boot = boot_state(3, {1, 1, 1});
  boot.applied = Index(2);
  Solo s(std::move(boot));
  EXPECT_EQ(s.commit(), Index(2));
  EXPECT_EQ(s.stable(), Index(3));
  s.turn({});
  EXPECT_EQ(s.out.commit.after, Index(2));
}

// P9: a state machine that was not closed may be ahead of its disk, and needs the log again.
TEST(Boot, WhatACrashWouldTakeFromTheStateIsNotPurged) {
  BootState boot = boot_state(1, {1, 1, 1, 1});
  boot.tuning.purge_entries = 1;
  boot.applied = Index(4);
  boot.durable = Index(2);
  Solo s(std::move(boot));
  s.lead({});
  s.durable();
  s.turn({});
  EXPECT_EQ(s.core.metrics().purged.index, Index(2));
}

// What lies below the tail is named, and read by the driver.
TEST(Boot, EntriesFromBeforeTheBootAreAppliedByTheDriversReading) {
  Solo s(3, {1, 1, 1});
  s.from(2, append_of(1, log_id(1, 3), {command(1, 4)}, 4));
  s.durable();
  EXPECT_EQ(s.out.commit.through, Index(4));
  ASSERT_EQ(s.out.commit.entries.size(), 1U);
  EXPECT_EQ(s.out.commit.entries[0].id.index, Index(4));
}

// D6.
TEST(BootDeathTest, StateBeyondTheLogEndsTheProcess) {
  BootState boot = boot_state(3, {1, 1, 1});
  boot.applied = Index(4);
  EXPECT_DEATH(Core(std::move(boot)), "assertion failed");
}

TEST(Tuning, RangesAreChecked) {
  EXPECT_TRUE(Tuning{}.validate());
  Tuning t;
  t.heartbeat_ticks = 34;
  ASSERT_FALSE(t.validate());
  EXPECT_EQ(t.validate().error().code, Code::invalid_argument);
  t = {};
  t.window_appends = 65;
  EXPECT_FALSE(t.validate());
  t = {};
  t.append_bytes = 0;
  EXPECT_FALSE(t.validate());
  t = {};
  t.tail_bytes = limits::tail_bytes_max + 1;
  EXPECT_FALSE(t.validate());
}

// Goal: a core is a value. Method: copies take the same inputs to the same state, digest and
// effects; other inputs lead elsewhere.
TEST(Value, CopiesAreEqualAndReplay) {
  Solo s(3);
  s.lead({2});
  s.propose(1);
  Core copy = s.core;
  EXPECT_EQ(copy, s.core);
  EXPECT_EQ(copy.hash(), s.core.hash());
  copy.step(Tick{});
  EXPECT_FALSE(copy == s.core);
  EXPECT_NE(copy.hash(), s.core.hash());
  s.core.step(Tick{});
  EXPECT_EQ(copy, s.core);
  const Effects a = copy.flush();
  const Effects b = s.core.flush();
  EXPECT_EQ(a.sends, b.sends);
  EXPECT_EQ(a.io, b.io);
  EXPECT_EQ(copy.hash(), s.core.hash());
  copy = s.core;
  const Core moved = std::move(copy);
  EXPECT_EQ(moved, s.core);
}

TEST(Value, TheDigestSeesAPendingMessageAndAPayload) {
  Solo a(3);
  Solo b(3);
  a.core.step(Received{peer_id(2), append_of(1, log_id(1, 1), {command(1, 2, "a")})});
  b.core.step(Received{peer_id(2), append_of(1, log_id(1, 1), {command(1, 2, "b")})});
  EXPECT_NE(a.core.hash(), b.core.hash());
  Solo c(3);
  Solo d(3);
  c.core.step(Received{peer_id(2), PreVote{Term(1), log_id(1, 1)}});
  EXPECT_NE(c.core.hash(), d.core.hash());
}

TEST(Value, TheSameSeedMakesTheSameRun) {
  for (std::uint64_t seed : {1U, 2U, 3U}) {
    std::vector<std::uint64_t> digests[2];
    for (auto& digest : digests) {
      Cluster c(3, seed);
      const std::uint64_t leader = c.elect();
      for (int i = 0; i < 20; ++i) {
        c.propose(leader);
        c.settle();
        c.tick_all();
        for (std::uint64_t n = 1; n <= 3; ++n) digest.push_back(c.node(n).core->hash());
      }
    }
    EXPECT_EQ(digests[0], digests[1]);
  }
}

TEST(Metrics, ShowWhatTheLeaderKnowsOfEachPeer) {
  Solo s(3);
  s.lead({2});
  s.from(2, accept(s, 2, 2));
  s.ticks(1);
  const Metrics m = s.core.metrics();
  EXPECT_EQ(m.soft.role, RoleState::leader);
  EXPECT_EQ(m.vote, peer_id(1));
  EXPECT_EQ(m.last, log_id(2, 2));
  EXPECT_EQ(m.config, log_id(1, 1));
  EXPECT_EQ(m.commit, log_id(0, 0));
  s.durable();
  EXPECT_EQ(s.core.metrics().commit, log_id(2, 2));
  ASSERT_EQ(m.peers.size(), 2U);
  EXPECT_EQ(m.peers[0].peer, peer_id(2));
  EXPECT_EQ(m.peers[0].match, Index(2));
  EXPECT_TRUE(m.peers[0].active);
}

}  // namespace
}  // namespace aspen::raft
