#include "node/cluster/node_server.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/cluster/sim_cluster.h"

namespace aspen::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = NodeEvent::Kind;

std::vector<std::string> payloads(const SimNode& node) {
  std::vector<std::string> texts;
  for (const SimNode::Received& one : node.received) texts.push_back(one.payload);
  return texts;
}

TEST(NodeServer, MembersLinkAndCastBothWays) {
  SimCluster cluster(1);
  cluster.start();
  EXPECT_LT(cluster.run_until([&] { return cluster.all_linked(); }, seconds(5)), milliseconds(100));
  cluster.node(1).cast(2, "to two");
  cluster.node(2).cast(1, "to one");
  cluster.world.run_for(milliseconds(50));
  ASSERT_EQ(payloads(cluster.node(2)), std::vector<std::string>{"to two"});
  ASSERT_EQ(payloads(cluster.node(1)), std::vector<std::string>{"to one"});
  EXPECT_EQ(cluster.node(2).received[0].from, test_member(1).peer);
  const NodeStatus status = cluster.node(1).status();
  ASSERT_EQ(status.peers.size(), 2u);
  EXPECT_EQ(status.peers[0].state, PeerStatus::State::ready);
  EXPECT_EQ(status.peers[0].name, "n2");
  EXPECT_TRUE(status.peers[0].round_trip.has_value());
  EXPECT_EQ(status.peers[0].last_error, "");
}

// Simultaneous dials in many orders: after a little while each pair has exactly one link, and both
// ends mean the same one, which casts in both directions show.
TEST(NodeServer, ElectionLeavesExactlyOneLinkPerPair) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    sim::NetworkTuning tuning;
    Prng dice(seed);
    // From a network that is slower than all time limits of the start to one that is instant.
    tuning.delay_min = Duration(static_cast<std::int64_t>(dice.below(1'000'000)));
    tuning.delay_max =
        tuning.delay_min + Duration(static_cast<std::int64_t>(dice.below(200'000'000)));
    SimCluster cluster(seed, 3, tuning);
    for (std::uint64_t n = 1; n <= 3; ++n) {
      cluster.world.schedule(Instant{static_cast<std::int64_t>(dice.below(3'000'000))},
                             [&cluster, n] { cluster.node(n).start(); });
    }
    cluster.world.run_for(seconds(6));
    ASSERT_TRUE(cluster.all_linked());
    for (std::uint64_t from = 1; from <= 3; ++from) {
      for (std::uint64_t to = 1; to <= 3; ++to) {
        if (from != to) cluster.node(from).cast(to, std::to_string(from));
      }
    }
    cluster.world.run_for(seconds(1));
    for (std::uint64_t n = 1; n <= 3; ++n) {
      EXPECT_EQ(cluster.node(n).received.size(), 2u);
      for (const PeerStatus& peer : cluster.node(n).status().peers) {
        EXPECT_EQ(peer.state, PeerStatus::State::ready);
      }
    }
  }
}

TEST(NodeServer, SilentPeerIsNoticedWithinOneAndAHalfSeconds) {
  for (const bool both_ways : {true, false}) {
    SimCluster cluster(5);
    cluster.start();
    cluster.world.run_for(seconds(5));
    ASSERT_TRUE(cluster.all_linked());
    cluster.network.block("host2", "host1");
    if (both_ways) cluster.network.block("host1", "host2");
    const Duration noticed =
        cluster.run_until([&] { return !cluster.node(1).ready.contains(NodeId(2)); }, seconds(5));
    EXPECT_LE(noticed, milliseconds(1500));
    EXPECT_GE(noticed, milliseconds(600));
    EXPECT_TRUE(cluster.node(1).log.has("lost the link"));
    EXPECT_TRUE(cluster.node(1).ready.contains(NodeId(3)));
    cluster.network.open_all();
    EXPECT_LE(cluster.run_until([&] { return cluster.all_linked(); }, seconds(10)), seconds(5));
  }
}

TEST(NodeServer, HeartbeatsKeepAnIdleLinkForEver) {
  SimCluster cluster(6);
  cluster.start();
  cluster.world.run_for(seconds(120));
  EXPECT_TRUE(cluster.all_linked());
  for (std::uint64_t n = 1; n <= 3; ++n) EXPECT_EQ(cluster.node(n).count(Kind::disconnected), 0u);
}

TEST(NodeServer, CrashedPeerIsTakenBackAtOnceWhenItReturns) {
  SimCluster cluster(7);
  cluster.start();
  cluster.world.run_for(seconds(1));
  cluster.node(3).crash();
  EXPECT_LT(
      cluster.run_until([&] { return !cluster.node(1).ready.contains(NodeId(3)); }, seconds(2)),
      milliseconds(100));
  cluster.world.run_for(seconds(20));
  cluster.node(3).start();
  EXPECT_LT(cluster.run_until([&] { return cluster.all_linked(); }, seconds(5)), milliseconds(200));
  EXPECT_EQ(cluster.node(1).ready.at(NodeId(3)), 2u);
}

// The other side restarts without a word having reached us: its new link replaces the one that we
// still believe in, in both roles of the pair.
TEST(NodeServer, RestartedPeerReplacesALinkBelievedAlive) {
  for (const std::uint64_t victim : {std::uint64_t{1}, std::uint64_t{2}}) {
    const std::uint64_t other = 3 - victim;
    SimCluster cluster(8, 2);
    cluster.start();
    cluster.world.run_for(seconds(1));
    ASSERT_TRUE(cluster.all_linked());
    cluster.network.block(test_host(victim), test_host(other));
    cluster.node(victim).crash();
    cluster.world.run_for(milliseconds(5));
    ASSERT_TRUE(cluster.node(other).ready.contains(NodeId(victim)));
    cluster.node(victim).start();
    cluster.network.open_all();
    EXPECT_LT(cluster.run_until([&] { return cluster.all_linked(); }, seconds(5)),
              milliseconds(300));
    cluster.node(victim).cast(other, "back");
    cluster.world.run_for(milliseconds(20));
    EXPECT_EQ(payloads(cluster.node(other)), std::vector<std::string>{"back"});
  }
}

// Dials of a member that is not there: the waits grow to the bound, each is jittered, and a success
// starts them anew.
TEST(NodeServer, RedialsWithGrowingBoundedWaits) {
  SimCluster cluster(9, 2);
  cluster.node(1).start();
  std::vector<Instant> dials;
  std::size_t seen = 0;
  for (int i = 0; i < 60'000; ++i) {
    cluster.world.run_for(milliseconds(1));
    if (cluster.node(1).count(Kind::opened) > seen) {
      seen = cluster.node(1).count(Kind::opened);
      dials.push_back(cluster.world.now());
    }
  }
  ASSERT_GE(dials.size(), 30u);
  ASSERT_LE(dials.size(), 70u);
  std::vector<Duration> waits;
  for (std::size_t i = 1; i < dials.size(); ++i) waits.push_back(dials[i] - dials[i - 1]);
  EXPECT_LE(waits[0], milliseconds(110));
  EXPECT_LE(waits[3], milliseconds(460));
  for (std::size_t i = 8; i < waits.size(); ++i) {
    EXPECT_GE(waits[i], milliseconds(1000));
    EXPECT_LE(waits[i], milliseconds(2060));
  }
  EXPECT_EQ(cluster.node(1).log.count("cannot connect"), 1u) << "said once, not at each dial";
  cluster.node(2).start();
  cluster.run_until([&] { return cluster.all_linked(); }, seconds(5));
  ASSERT_TRUE(cluster.all_linked());
  seen = cluster.node(1).count(Kind::opened);
  cluster.network.cut("host1", "host2");
  EXPECT_LT(cluster.run_until([&] { return cluster.node(1).count(Kind::ready) == 2; }, seconds(5)),
            milliseconds(200));
}

TEST(NodeServer, CastsOfOneSenderKeepTheirOrderAndGapsOnlyComeWithADisconnect) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimCluster cluster(seed, 2);
    Prng dice(seed);
    cluster.start();
    cluster.world.run_for(seconds(1));
    const std::size_t cuts = seed % 3;
    std::size_t cuts_made = 0;
    for (int i = 0; i < 600; ++i) {
      std::string text = std::to_string(1'000'000 + i);
      text.append(dice.below(20) == 0 ? dice.below(100'000) : dice.below(40), '.');
      cluster.node(1).cast(2, text);
      if (dice.chance(1, 4)) cluster.world.run_for(milliseconds(4));
      if (cuts_made < cuts && i == 200 + 200 * static_cast<int>(cuts_made)) {
        cluster.network.cut("host1", "host2");
        ++cuts_made;
      }
    }
    cluster.world.run_for(seconds(3));
    const std::vector<std::string> got = payloads(cluster.node(2));
    for (std::size_t i = 1; i < got.size(); ++i) EXPECT_LT(got[i - 1], got[i]);
    if (cuts == 0) {
      EXPECT_EQ(got.size(), 600u);
    }
    EXPECT_EQ(cluster.node(1).count(Kind::disconnected), cuts);
    EXPECT_EQ(cluster.node(2).count(Kind::disconnected), cuts);
    EXPECT_TRUE(cluster.all_linked());
  }
}

TEST(NodeServer, LargeCastsArriveWhole) {
  SimCluster cluster(11, 2);
  cluster.start();
  cluster.world.run_for(seconds(1));
  for (const std::size_t size_bytes :
       {std::size_t{0}, std::size_t{1}, limits::link_copy_bytes_max,
        limits::link_copy_bytes_max + 1, limits::link_large_frame_bytes,
        limits::link_read_bytes + 7, limits::frame_payload_bytes_max}) {
    cluster.node(1).cast(2, std::string(size_bytes, 'a'));
    cluster.world.run_for(seconds(1));
    ASSERT_FALSE(cluster.node(2).received.empty());
    EXPECT_EQ(cluster.node(2).received.back().payload.size(), size_bytes);
    cluster.node(2).received.clear();
  }
}

// The other side takes nothing: the queue fills to its bound and then refuses, counted.
TEST(NodeServer, FullQueueRefusesCastsAndCountsThem) {
  SimCluster cluster(12, 2);
  cluster.start();
  cluster.world.run_for(seconds(1));
  cluster.network.block("host1", "host2");
  for (int i = 0; i < 40; ++i) {
    cluster.node(1).cast(2, std::string(1024 * 1024, 'q'));
    cluster.world.run_until_idle();
  }
  const PeerStatus peer = cluster.node(1).status().peers.at(0);
  EXPECT_LE(peer.queued_bytes, limits::link_queue_bytes_max);
  EXPECT_GT(peer.queued_bytes, limits::link_queue_bytes_max - 2 * 1024 * 1024);
  EXPECT_GE(peer.casts_unsent, 20u);
  EXPECT_LE(peer.casts_unsent, 30u);
  EXPECT_EQ(cluster.node(1).unsent.size(), peer.casts_unsent) << "its sender is told";
}

TEST(NodeServer, CastToNobodyIsCountedAndToAnotherIncarnationToo) {
  SimCluster cluster(13, 2);
  cluster.node(1).start();
  cluster.node(1).cast(2, "too early");
  cluster.node(1).cast(99, "not a member");
  EXPECT_EQ(cluster.node(1).status().peers.at(0).casts_unsent, 1u);
  cluster.node(2).start();
  cluster.world.run_for(seconds(5));
  ASSERT_TRUE(cluster.all_linked());
  static_cast<void>(cluster.node(1).server.tell(
      Cast{NodeId(2), test_disk(77), the_group, test_cast, "", Bytes("x")}));
  static_cast<void>(cluster.node(1).server.tell(
      Cast{NodeId(2), test_disk(2), the_group, test_cast, "", Bytes("y")}));
  static_cast<void>(cluster.node(1).server.tell(
      Cast{NodeId(2), {}, the_group, 99, "", Bytes("nobody handles it")}));
  cluster.world.run_for(seconds(1));
  EXPECT_EQ(payloads(cluster.node(2)), std::vector<std::string>{"y"});
  EXPECT_EQ(cluster.node(1).status().peers.at(0).casts_unsent, 2u);
  const std::vector<std::string> unsent{"too early", "not a member", "x"};
  EXPECT_EQ(cluster.node(1).unsent, unsent);
  EXPECT_EQ(cluster.node(2).status().casts_unhandled, 1u);
}

// ---- who is refused

TEST(NodeServer, RoundTripsAndFailuresAreCountedForEachPeer) {
  SimCluster cluster(1);
  cluster.start();
  cluster.world.run_until_idle();
  const CountingTelemetry& telemetry = cluster.node(1).telemetry;
  EXPECT_EQ(telemetry.value("aspen_peer_round_trip_seconds peer=n2"), 0);
  EXPECT_EQ(telemetry.value("aspen_peer_sent_failures_total peer=n2"), 0);
  EXPECT_EQ(telemetry.value("aspen_peer_round_trip_seconds peer=n1"), -1);
  cluster.run_until([&] { return cluster.all_linked(); }, seconds(5));
  cluster.world.run_for(seconds(2));
  EXPECT_GE(telemetry.value("aspen_peer_round_trip_seconds peer=n2"), 5);
  cluster.node(2).crash();
  cluster.world.run_for(seconds(2));
  cluster.node(1).cast(2, "to nobody");
  cluster.world.run_for(milliseconds(50));
  EXPECT_EQ(telemetry.value("aspen_peer_sent_failures_total peer=n2"), 1);
  EXPECT_EQ(telemetry.value("aspen_peer_sent_failures_total peer=n3"), 0);
}

TEST(NodeServer, EmptiedNodeIsRefusedAndBothSidesSayWhatToDo) {
  SimCluster cluster(20);
  SimNode& emptied = cluster.node(2);
  emptied.memory.identity = {ClusterId(), {NodeId(), test_disk(77)}, "n2"};
  emptied.memory.members = {};
  cluster.start();
  cluster.world.run_for(seconds(10));
  EXPECT_TRUE(cluster.node(1).ready.contains(NodeId(3)));
  EXPECT_FALSE(cluster.node(1).ready.contains(NodeId(2)));
  EXPECT_TRUE(cluster.node(1).log.has("the identity of member n2 (0000000000000002) is lost"));
  EXPECT_TRUE(cluster.node(1).log.has("replace this member"));
  EXPECT_TRUE(emptied.log.has("its identity is lost"));
  EXPECT_TRUE(emptied.log.has("replace this member"));
  EXPECT_LE(cluster.node(1).log.lines.size(), 4u) << "the log is not flooded";
  EXPECT_NE(cluster.node(1).status().peers[0].last_error.find("replace"), std::string::npos);
}

TEST(NodeServer, NodeWithAnotherDiskUnderAKnownIdIsRefused) {
  SimCluster cluster(21);
  cluster.node(2).memory.identity.self.incarnation = test_disk(77);
  cluster.start();
  cluster.world.run_for(seconds(5));
  EXPECT_TRUE(cluster.node(2).ready.empty());
  EXPECT_TRUE(cluster.node(1).log.has("replace this member"));
  EXPECT_TRUE(cluster.node(2).log.has("replace this member"));
}

TEST(NodeServer, ExchangedDirectoriesAreRefused) {
  SimCluster cluster(22);
  std::swap(cluster.node(2).memory.identity.self, cluster.node(3).memory.identity.self);
  cluster.start();
  cluster.world.run_for(seconds(5));
  EXPECT_TRUE(cluster.node(1).ready.empty());
  EXPECT_TRUE(cluster.node(1).log.has("exchanged"));
}

TEST(NodeServer, WrongSecretAndStrangersAreRefused) {
  SimCluster cluster(23);
  SimNode& impostor = cluster.add(3, "another secret");
  impostor.memory.members = cluster.config;
  SimNode& stranger = cluster.add(9);
  stranger.memory.members = cluster.config;
  cluster.start();
  cluster.world.run_for(seconds(5));
  EXPECT_TRUE(impostor.ready.empty());
  EXPECT_TRUE(stranger.ready.empty());
  EXPECT_TRUE(cluster.node(1).ready.contains(NodeId(2)));
  EXPECT_TRUE(cluster.node(1).log.has("--peer-secret-file"));
  EXPECT_TRUE(stranger.log.has("not a member"));
}

TEST(NodeServer, AddressOfTheNodeItselfIsNamed) {
  SimCluster cluster(24, 2);
  cluster.config.members[1].peer_address = "host1:2380";
  cluster.node(1).memory.members = cluster.config;
  cluster.node(1).start();
  cluster.world.run_for(seconds(2));
  EXPECT_TRUE(cluster.node(1).log.has("itself"));
}

TEST(NodeServer, RemovedMemberIsCutOffAndANewOneIsDialled) {
  SimCluster cluster(25);
  cluster.start();
  cluster.world.run_for(seconds(1));
  ASSERT_TRUE(cluster.all_linked());
  Config smaller;
  smaller.members = {test_member(1), test_member(2)};
  for (const std::uint64_t n : {1U, 2U}) {
    static_cast<void>(cluster.node(n).server.tell(SetMembers{smaller}));
  }
  cluster.world.run_for(seconds(5));
  EXPECT_FALSE(cluster.node(1).ready.contains(NodeId(3)));
  EXPECT_TRUE(cluster.node(3).ready.empty());
  EXPECT_TRUE(cluster.node(1).ready.contains(NodeId(2)));
  for (const std::uint64_t n : {1U, 2U}) {
    static_cast<void>(cluster.node(n).server.tell(SetMembers{cluster.config}));
  }
  EXPECT_LT(cluster.run_until([&] { return cluster.all_linked(); }, seconds(10)), seconds(3));
}

TEST(NodeServer, OrderlyStopIsToldToThePeers) {
  SimCluster cluster(26);
  cluster.start();
  cluster.world.run_for(seconds(1));
  cluster.node(2).stop();
  EXPECT_LT(
      cluster.run_until([&] { return !cluster.node(1).ready.contains(NodeId(2)); }, seconds(5)),
      milliseconds(50));
}

// ---- requests

template <class M>
Result<typename M::Reply> ask(SimCluster& cluster, SimNode& node, M message) {
  Result<typename M::Reply> result = fail(Code::timed_out, "the test waited in vain");
  bool done = false;
  node.server.ask_from_outside(std::move(message), [&](Result<typename M::Reply>&& reply) {
    result = std::move(reply);
    done = true;
  });
  cluster.run_until([&] { return done; }, seconds(30));
  EXPECT_TRUE(done);
  return result;
}

TEST(NodeServer, ProbeTellsWhoIsThereWithAndWithoutACluster) {
  SimCluster cluster(30);
  cluster.node(2).memory.identity = {ClusterId(), {NodeId(), test_disk(2)}, "n2"};
  cluster.node(1).memory.identity = {ClusterId(), {NodeId(), test_disk(1)}, "n1"};
  cluster.start();
  const auto empty = ask(cluster, cluster.node(1), Probe{"host2:2380"});
  ASSERT_TRUE(empty) << empty.error().what;
  EXPECT_EQ(empty->cluster, ClusterId());
  EXPECT_EQ(empty->self.incarnation, test_disk(2));
  const auto placed = ask(cluster, cluster.node(1), Probe{"host3:2380"});
  ASSERT_TRUE(placed);
  EXPECT_EQ(placed->cluster, test_cluster);
  EXPECT_EQ(placed->self, test_member(3).peer);
  const auto by_member = ask(cluster, cluster.node(3), Probe{"host2:2380"});
  ASSERT_TRUE(by_member);
  EXPECT_EQ(by_member->self.incarnation, test_disk(2));
  const auto self = ask(cluster, cluster.node(1), Probe{"host1:2380"});
  ASSERT_TRUE(self) << self.error().what;
  EXPECT_EQ(self->self.incarnation, test_disk(1));
}

TEST(NodeServer, ProbeFailsWithAReasonAndInTime) {
  SimCluster cluster(31, 2);
  cluster.add(8, "another secret").start();
  cluster.start();
  EXPECT_EQ(ask(cluster, cluster.node(1), Probe{"host7:2380"}).error().code, Code::unavailable);
  EXPECT_EQ(ask(cluster, cluster.node(1), Probe{"nonsense"}).error().code, Code::invalid_argument);
  EXPECT_EQ(ask(cluster, cluster.node(1), Probe{"host8:2380"}).error().code, Code::unauthenticated);
  cluster.network.block("host1", "host8");
  const Instant before = cluster.world.now();
  EXPECT_EQ(ask(cluster, cluster.node(1), Probe{"host8:2380", seconds(1)}).error().code,
            Code::timed_out);
  EXPECT_LE(cluster.world.now() - before, milliseconds(1100));
}

TEST(NodeServer, AssignmentIsHandedToItsHandlerAndAnsweredLater) {
  SimCluster cluster(32, 2);
  cluster.node(2).memory.identity = {ClusterId(), {NodeId(), test_disk(2)}, "n2"};
  cluster.node(2).memory.members = {};
  cluster.start();
  const wire::Assign assign{test_cluster, test_member(2).peer, cluster.config};
  wire::Assign seen;
  static_cast<
      void>(cluster.node(2).server.tell(SetAssignHandler{[&](const wire::Assign& asked,
                                                             actor::Responder<wire::AssignReply>
                                                                 answer) {
    seen = asked;
    auto kept = std::make_shared<actor::Responder<wire::AssignReply>>(std::move(answer));
    cluster.world.schedule(cluster.world.now() + milliseconds(200), [&cluster, seen, kept] {
      static_cast<void>(cluster.node(2).server.tell(SetMembers{seen.config}));
      static_cast<void>(cluster.node(2).server.tell(SetIdentity{{seen.cluster, seen.self, "n2"}}));
      kept->reply(wire::AssignReply{wire::LinkError::none, seen.self});
    });
  }}));
  const auto done = ask(cluster, cluster.node(1), AssignTo{"host2:2380", assign});
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(done->error, wire::LinkError::none);
  EXPECT_EQ(seen, assign);
  EXPECT_LT(cluster.run_until([&] { return cluster.all_linked(); }, seconds(10)), seconds(4));
  // A second cluster cannot take it, and another disk is not the one that was meant.
  wire::Assign other = assign;
  other.cluster = ClusterId(0xc2);
  EXPECT_EQ(ask(cluster, cluster.node(1), AssignTo{"host2:2380", other})->error,
            wire::LinkError::wrong_cluster);
  other = assign;
  other.self.incarnation = test_disk(77);
  EXPECT_EQ(ask(cluster, cluster.node(1), AssignTo{"host2:2380", other})->error,
            wire::LinkError::wrong_incarnation);
}

TEST(NodeServer, AssignmentThatMayHaveBeenDoneIsOfUnknownOutcome) {
  SimCluster cluster(33, 2);
  cluster.node(2).memory.identity = {ClusterId(), {NodeId(), test_disk(2)}, "n2"};
  cluster.start();
  const wire::Assign assign{test_cluster, test_member(2).peer, cluster.config};
  EXPECT_TRUE(certainly_not_applied(
      ask(cluster, cluster.node(1), AssignTo{"host7:2380", assign}).error().code));
  std::shared_ptr<actor::Responder<wire::AssignReply>> kept;
  static_cast<void>(cluster.node(2).server.tell(
      SetAssignHandler{[&](const wire::Assign&, actor::Responder<wire::AssignReply> answer) {
        kept = std::make_shared<actor::Responder<wire::AssignReply>>(std::move(answer));
        cluster.network.cut("host1", "host2");
      }}));
  EXPECT_TRUE(
      outcome_unknown(ask(cluster, cluster.node(1), AssignTo{"host2:2380", assign}).error().code));
  kept.reset();
}

// Goal: no bit that flips on the way silences a link for good. Method: many flips; some hit the
// size in a header, and then the bytes of heartbeats are the only ones to come.
TEST(NodeServer, AFlippedBitNeverSilencesALinkForGood) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SimCluster cluster(seed, 2);
    cluster.start();
    cluster.world.run_for(std::chrono::seconds(2));
    cluster.network.corrupt_next("host1", "host2");
    cluster.world.run_for(std::chrono::seconds(15));
    cluster.node(1).cast(2, "after");
    cluster.world.run_for(std::chrono::seconds(1));
    ASSERT_EQ(cluster.node(2).received.size(), 1U) << "seed " << seed;
  }
}

}  // namespace
}  // namespace aspen::cluster
