// The replica's actors together, over memory stores and a network that a test cuts.
#include "node/replica/raft_actor.h"

#include <gtest/gtest.h>

#include "node/base/limits.h"
#include "node/kv/command.h"
#include "tests/replica/sim_cluster.h"

namespace aspen::replica {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t seed = 7;

bool done(const SimNode::Answer& answer) {
  return answer->has_value() && (*answer)->has_value();
}

std::string value_of(const ReadReply& reply) {
  const auto& kvs = std::get<kv::RangeResponse>(reply.result).kvs;
  return kvs.empty() ? std::string() : kvs[0].value;
}

// A node that does not lead and is not cut off.
SimNode& follower(SimCluster& cluster) {
  std::size_t node = cluster.leader().value();
  do {
    node = (node + 1) % cluster.nodes.size();
  } while (cluster.isolated.count(node) > 0);
  return cluster.at(node);
}

TEST(RaftActor, AnswersAWriteAtTheNodeThatTookItAndReadsItAtEveryOther) {
  SimCluster cluster(3, seed);
  cluster.init();
  std::int64_t revision = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto answer = cluster.at(i).put("key", std::to_string(i), seconds(5));
    ASSERT_TRUE(cluster.run_until([&] { return answer->has_value(); }));
    ASSERT_TRUE(done(answer)) << (*answer)->error().what;
    EXPECT_EQ((**answer)->header.revision, ++revision);
    EXPECT_EQ((**answer)->header.member, cluster.at(i).identity.identity->self.id);
    for (std::size_t j = 0; j < 3; ++j) {
      const auto read = cluster.at(j).get("key", seconds(5));
      ASSERT_TRUE(cluster.run_until([&] { return read->has_value(); }));
      ASSERT_TRUE((*read)->has_value()) << (*read)->error().what;
      EXPECT_EQ(value_of(***read), std::to_string(i));
    }
  }
}

// Goal: a follower answers as soon as the commit notice is there, not at the next heartbeat.
TEST(RaftActor, AWriteThroughAFollowerTakesTwoRoundTrips) {
  SimCluster cluster(3, seed);
  cluster.init();
  cluster.run_for(seconds(1));
  const auto answer = follower(cluster).put("key", "value", seconds(5));
  cluster.run_for(milliseconds(6));  // forward, append, acknowledgement, commit notice
  EXPECT_TRUE(done(answer));
}

// Goal: a client whose leader dies sees latency and nothing else, and its write happens once.
// Method: the leader takes the forward and is cut off before anything of it leaves.
TEST(RaftActor, AWriteWhoseLeaderIsLostIsProposedAgainOnce) {
  SimCluster cluster(3, seed);
  cluster.init();
  const std::size_t old_leader = cluster.leader().value();
  SimNode& origin = follower(cluster);
  cluster.lose = [&](const OutgoingCast& cast) {
    return cast.type == wire::cast_raft && cluster.leader() == old_leader &&
           cast.payload.view().find("lost") != std::string_view::npos;
  };
  const auto answer = origin.put("key", "lost", seconds(20));
  cluster.run_for(milliseconds(20));
  cluster.lose = nullptr;
  cluster.isolate(old_leader);
  ASSERT_TRUE(cluster.run_until([&] { return answer->has_value(); }));
  ASSERT_TRUE(done(answer)) << (*answer)->error().what;
  EXPECT_EQ((**answer)->header.revision, 2);
  cluster.heal();
  const auto next = origin.put("key", "next", seconds(5));
  ASSERT_TRUE(cluster.run_until([&] { return done(next); }));
  EXPECT_EQ((**next)->header.revision, 3);  // the old leader's copy was overwritten
}

// Goal: a write whose forward found no link leaves with the next one, and if there is none its end
// is an honest one. Method: forwards do not leave for a while.
TEST(RaftActor, AForwardThatDidNotLeaveGoesWithTheNextLink) {
  SimCluster cluster(3, seed);
  cluster.init();
  const SimNode& leader = cluster.at(cluster.leader().value());
  SimNode& origin = follower(cluster);
  cluster.unsent = [](const OutgoingCast& cast) { return cast.type == wire::cast_forward; };
  const auto never = origin.put("key", "never", milliseconds(1500));
  ASSERT_TRUE(cluster.run_until([&] { return never->has_value(); }));
  ASSERT_FALSE((*never)->has_value());
  EXPECT_TRUE(certainly_not_applied((*never)->error().code));
  const auto later = origin.put("key", "later", seconds(5));
  cluster.run_for(milliseconds(10));
  cluster.unsent = nullptr;
  told(origin.raft.tell(PeerLinkChanged{leader.identity.identity->self, true}));
  cluster.run_for(milliseconds(10));
  ASSERT_TRUE(done(later));
  EXPECT_EQ((**later)->header.revision, 2);
}

TEST(RaftActor, WithoutAQuorumAWriteEndsAtItsDeadlineWithAnHonestError) {
  SimCluster cluster(3, seed);
  cluster.init();
  const std::size_t leader = cluster.leader().value();
  cluster.isolate(leader);
  const auto taken = cluster.at(leader).put("a", "1", seconds(2));  // it is in the log
  ASSERT_TRUE(cluster.run_until([&] { return taken->has_value(); }));
  ASSERT_FALSE((*taken)->has_value());
  EXPECT_TRUE(outcome_unknown((*taken)->error().code));
  cluster.run_for(seconds(3));  // it has stepped down by now
  const auto waiting = cluster.at(leader).put("b", "1", seconds(2));
  ASSERT_TRUE(cluster.run_until([&] { return waiting->has_value(); }));
  ASSERT_FALSE((*waiting)->has_value());
  EXPECT_TRUE(certainly_not_applied((*waiting)->error().code));
  const auto read = cluster.at(leader).get("a", seconds(2));
  ASSERT_TRUE(cluster.run_until([&] { return read->has_value(); }));
  EXPECT_FALSE((*read)->has_value());
}

TEST(RaftActor, ALateForwardOfAnotherTermIsRefused) {
  SimCluster cluster(3, seed);
  cluster.init();
  const std::size_t leader = cluster.leader().value();
  SimNode& node = cluster.at(leader);
  const Term term = node.view().raft.soft.term;
  const Index last = node.view().raft.last.index;
  kv::PutRequest request;
  request.key = "key";
  const PeerId from = follower(cluster).identity.identity->self;
  told(node.raft.tell(
      ForwardReceived{from, {Term(term.value - 1), 1, 1, Bytes(kv::encode_request(request))}}));
  told(node.raft.tell(ForwardReceived{from, {term, 1, 2, Bytes("no request")}}));
  cluster.run_for(milliseconds(100));
  EXPECT_EQ(node.view().raft.last.index, last);
}

// Goal: the client learns why the leader refused its write. Method: the forward is lost, and the
// test answers in the leader's place.
TEST(RaftActor, ARefusalOfTheLeaderReachesTheClientAsItIs) {
  SimCluster cluster(3, seed);
  cluster.init();
  for (const Code code : {Code::unsupported, Code::invalid_argument, Code::overloaded}) {
    std::optional<wire::Forward> forward;
    cluster.lose = [&](const OutgoingCast& cast) {
      if (cast.type != wire::cast_forward) return false;
      forward = wire::decode_forward(cast.payload).value();
      return true;
    };
    SimNode& origin = follower(cluster);
    const auto answer = origin.put("key", "value", seconds(5));
    ASSERT_TRUE(cluster.run_until([&] { return forward.has_value(); }));
    cluster.lose = nullptr;
    const PeerId leader = cluster.at(cluster.leader().value()).identity.identity->self;
    told(origin.raft.tell(ForwardRefused{
        leader, wire::ForwardReply{forward->term, forward->origin, forward->sequence, code}}));
    ASSERT_TRUE(cluster.run_until([&] { return answer->has_value(); }));
    ASSERT_FALSE((*answer)->has_value());
    EXPECT_EQ((*answer)->error().code, code);
  }
}

// Goal: a leader whose state lags takes no forwards either. Method: its store has no room.
TEST(RaftActor, NeitherOwnNorForwardedProposalsAreTakenWhileTooMuchWaitsToBeApplied) {
  SimCluster cluster(1, seed);
  cluster.init();
  SimNode& node = cluster.at(0);
  node.state.set_write_error(Error{Code::no_space, "full"});
  for (std::uint64_t i = 0; i <= limits::apply_backlog_entries_max; ++i) {
    ASPEN_MAYBE(node.put("k", "v", seconds(1)));
    if (i % 1000 == 0) cluster.world.run_until_idle();
  }
  cluster.world.run_until_idle();
  const ReplicaView before = node.view();
  kv::PutRequest request;
  request.key = "key";
  const PeerId from{NodeId(2), {1, 1}};
  told(node.raft.tell(
      ForwardReceived{from, {before.raft.soft.term, 1, 1, Bytes(kv::encode_request(request))}}));
  const auto own = node.put("key", "value", seconds(1));
  cluster.world.run_until_idle();
  EXPECT_EQ(node.view().raft.last, before.raft.last);
  ASSERT_TRUE(own->has_value());
  EXPECT_EQ((*own)->error().code, Code::overloaded);
}

// Few large writes fill the node as many small ones do.
TEST(RaftActor, WritesOfTooManyBytesAtOnceAreRefused) {
  SimCluster cluster(3, seed);
  cluster.init();
  const std::size_t leader = cluster.leader().value();
  cluster.isolate(leader);
  SimNode& node = cluster.at(leader);
  cluster.run_for(seconds(5));  // nobody leads it now: writes wait in the table
  const std::string value(1 << 20, 'v');
  SimNode::Answer answer;
  std::size_t taken = 0;
  do {
    answer = node.put("key", value, seconds(60));
    cluster.world.run_until_idle();
    ++taken;
  } while (!answer->has_value() && taken < 1000);
  EXPECT_EQ(taken, limits::proposals_bytes_max / (value.size() + 64) + 1);
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->error().code, Code::overloaded);
}

TEST(RaftActor, ReplicasThatAllCrashComeBackWithTheirData) {
  SimCluster cluster(3, seed);
  cluster.init();
  for (int i = 0; i < 50; ++i) {
    const auto answer = cluster.at(0).put("key" + std::to_string(i), "value", seconds(5));
    ASSERT_TRUE(cluster.run_until([&] { return done(answer); }));
  }
  for (const auto& node : cluster.nodes) node->crash();
  for (const auto& node : cluster.nodes) node->start();
  const auto read = cluster.at(1).get("key49", seconds(10));
  ASSERT_TRUE(cluster.run_until([&] { return read->has_value(); }));
  ASSERT_TRUE((*read)->has_value());
  EXPECT_EQ(value_of(***read), "value");
  EXPECT_EQ((**read)->header.revision, 51);
}

TEST(RaftActor, AFullDiskRefusesWritesServesReadsAndRecovers) {
  SimCluster cluster(3, seed);
  cluster.init();
  const auto before = cluster.at(0).put("key", "before", seconds(5));
  ASSERT_TRUE(cluster.run_until([&] { return done(before); }));
  for (const auto& node : cluster.nodes) node->free_bytes = 10;
  cluster.run_for(milliseconds(200));
  const auto refused = cluster.at(0).put("key", "refused", seconds(5));
  ASSERT_TRUE(cluster.run_until([&] { return refused->has_value(); }));
  ASSERT_FALSE((*refused)->has_value());
  EXPECT_EQ((*refused)->error().code, Code::no_space);
  EXPECT_STREQ((*refused)->error().what, "etcdserver: mvcc: database space exceeded");
  const std::size_t leader = cluster.leader().value();
  cluster.isolate(leader);  // an election has room
  ASSERT_TRUE(cluster.run_until([&] { return cluster.leader().has_value(); }));
  const auto read = follower(cluster).get("key", seconds(5));
  ASSERT_TRUE(cluster.run_until([&] { return read->has_value(); }));
  ASSERT_TRUE((*read)->has_value());
  EXPECT_EQ(value_of(***read), "before");
  cluster.heal();
  for (const auto& node : cluster.nodes) node->free_bytes = UINT64_MAX;
  cluster.run_for(milliseconds(200));
  const auto after = cluster.at(0).put("key", "after", seconds(10));
  ASSERT_TRUE(cluster.run_until([&] { return after->has_value(); }));
  EXPECT_TRUE(done(after));
}

// What a peer lacks is more than one append may hold, and more than the core keeps in memory.
TEST(RaftActor, AFollowerFarBehindLargeValuesCatchesUp) {
  SimCluster cluster(3, seed);
  cluster.init();
  SimNode& behind = follower(cluster);
  SimNode& leader = cluster.at(cluster.leader().value());
  cluster.isolate(behind.index);
  const std::string value(1 << 20, 'v');
  for (int i = 0; i < 40; ++i) {
    const auto answer = leader.put("key" + std::to_string(i), value, seconds(5));
    ASSERT_TRUE(cluster.run_until([&] { return done(answer); })) << i;
  }
  cluster.heal();
  EXPECT_TRUE(cluster.run_until([&] { return behind.view().applied == leader.view().applied; }));
  EXPECT_EQ(behind.view().revision, 41);
}

TEST(RaftActor, IsReadyOnceALeaderIsKnown) {
  SimCluster cluster(3, seed);
  cluster.run_for(milliseconds(200));
  EXPECT_FALSE(cluster.at(1).health.last.ready);
  EXPECT_NE(cluster.at(1).health.last.reason.find("uninitialised"), std::string::npos);
  cluster.init();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.at(1).health.last.ready; }));
  cluster.isolate(1);
  ASSERT_TRUE(cluster.run_until([&] { return !cluster.at(1).health.last.ready; }));
  EXPECT_TRUE(cluster.at(1).health.last.live);
}

// A dashboard finds what it asks for on a node that waits for Init, and nothing more later.
TEST(RaftActor, EverySeriesIsThereBeforeInit) {
  SimCluster cluster(1, seed);
  cluster.run_for(milliseconds(200));
  const std::set<std::string> before = cluster.at(0).telemetry.names;
  cluster.init();
  cluster.run_for(seconds(1));
  EXPECT_EQ(cluster.at(0).telemetry.names, before);
  EXPECT_TRUE(before.contains("aspen_wal_fsync_seconds"));
}

TEST(RaftActor, DamageOfTheStateEndsTheNode) {
  SimCluster cluster(1, seed);
  cluster.init();
  cluster.at(0).state.set_write_error(Error{Code::corrupt, "bad block"});
  const auto answer = cluster.at(0).put("key", "value", seconds(5));
  ASSERT_TRUE(cluster.run_until([&] { return !cluster.at(0).fatal.errors.empty(); }));
  EXPECT_EQ(cluster.at(0).fatal.errors[0].code, Code::corrupt);
  EXPECT_FALSE(done(answer));
}

// Goal: whatever is cut and crashed, each write that was acknowledged is there, and each client's
// writes have their own revision. Method: random faults over several seeds.
TEST(RaftActor, NoAcknowledgedWriteIsLostUnderRandomFaults) {
  for (std::uint64_t run = 1; run <= 15; ++run) {
    SCOPED_TRACE(run);
    SimCluster cluster(3, run);
    cluster.init();
    std::vector<std::pair<std::string, SimNode::Answer>> writes;
    for (int i = 0; i < 150; ++i) {
      SimNode& node = cluster.at(cluster.prng.below(3));
      const std::string key = "key" + std::to_string(i);
      if (node.system != nullptr) writes.emplace_back(key, node.put(key, key, seconds(3)));
      cluster.run_for(milliseconds(cluster.prng.below(60)));
      SimNode& victim = cluster.at(cluster.prng.below(3));
      if (cluster.prng.chance(1, 25) && victim.system != nullptr) victim.crash();
      if (cluster.prng.chance(1, 10) && victim.system == nullptr) victim.start();
      if (cluster.prng.chance(1, 25)) cluster.isolate(cluster.prng.below(3));
      if (cluster.prng.chance(1, 10)) cluster.heal();
    }
    cluster.heal();
    for (const auto& node : cluster.nodes) {
      if (node->system == nullptr) node->start();
    }
    ASSERT_TRUE(cluster.run_until([&] { return cluster.leader().has_value(); }));
    std::set<std::int64_t> revisions;
    std::size_t acknowledged = 0;
    for (const auto& [key, answer] : writes) {
      if (!done(answer)) continue;
      ++acknowledged;
      EXPECT_TRUE(revisions.insert((**answer)->header.revision).second) << key;
      const auto read = cluster.at(acknowledged % 3).get(key, seconds(20));
      ASSERT_TRUE(cluster.run_until([&] { return read->has_value(); }));
      ASSERT_TRUE((*read)->has_value()) << (*read)->error().what;
      EXPECT_EQ(value_of(***read), key);
    }
    EXPECT_GT(acknowledged, 20U);
    for (const auto& node : cluster.nodes) EXPECT_TRUE(node->fatal.errors.empty());
  }
}

}  // namespace
}  // namespace aspen::replica
