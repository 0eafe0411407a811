// Init: from nodes without a cluster to a cluster.
#include "node/replica/node_actor.h"

#include <gtest/gtest.h>

#include "node/replica/init_request.h"
#include "tests/replica/sim_cluster.h"

namespace aspen::replica {
namespace {

constexpr std::uint64_t seed = 3;

Result<Identity> init(SimCluster& cluster, const InitCluster& request, std::size_t at = 0) {
  std::optional<Result<Identity>> answer;
  cluster.at(at).node.ask_from_outside(
      InitCluster(request), [&answer](Result<Identity>&& reply) { answer = std::move(reply); });
  EXPECT_TRUE(cluster.run_until([&] { return answer.has_value(); }));
  return std::move(*answer);
}

TEST(NodeActor, InitGivesEveryMemberItsPlaceAndRepeatsItsAnswer) {
  SimCluster cluster(3, seed);
  const Result<Identity> first = init(cluster, cluster.init_request());
  ASSERT_TRUE(first.has_value()) << first.error().what;
  for (const auto& node : cluster.nodes) {
    EXPECT_EQ(node->identity.identity->cluster, first->cluster);
    EXPECT_EQ(node->identity.identity->bootstrap, first->bootstrap);
  }
  const Result<Identity> again = init(cluster, cluster.init_request());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->cluster, first->cluster);
  EXPECT_TRUE(init(cluster, cluster.init_request(), 1).has_value());
  ASSERT_TRUE(cluster.run_until([&] { return cluster.leader().has_value(); }));
}

TEST(NodeActor, InitTakesTheClusterIdThatTheCallerChose) {
  SimCluster cluster(1, seed);
  InitCluster request = cluster.init_request();
  request.cluster = ClusterId(77);
  EXPECT_EQ(init(cluster, request)->cluster, ClusterId(77));
  request.cluster = ClusterId(78);
  EXPECT_EQ(init(cluster, request).error().code, Code::already_initialised);
}

TEST(NodeActor, InitWithAMemberOutOfReachChangesNothing) {
  SimCluster cluster(3, seed);
  cluster.isolate(2);
  const Result<Identity> failed = init(cluster, cluster.init_request());
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, Code::unavailable);
  for (const auto& node : cluster.nodes) EXPECT_FALSE(node->identity.identity->initialised());
  cluster.heal();
  EXPECT_TRUE(init(cluster, cluster.init_request()).has_value());
}

// Goal: an Init that stopped half-way goes on with the same ids. Method: a member whose disk is
// full refuses its place after another has taken its own.
TEST(NodeActor, TheSameInitGoesOnWhereItStopped) {
  SimCluster cluster(3, seed);
  cluster.at(2).identity.full = true;
  ASSERT_FALSE(init(cluster, cluster.init_request()).has_value());
  const Identity half = *cluster.at(1).identity.identity;
  ASSERT_TRUE(half.initialised());
  ASSERT_FALSE(cluster.at(0).identity.identity->initialised());
  cluster.at(2).identity.full = false;
  const Result<Identity> second = init(cluster, cluster.init_request());
  ASSERT_TRUE(second.has_value()) << second.error().what;
  EXPECT_EQ(second->cluster, half.cluster);
  EXPECT_EQ(*cluster.at(1).identity.identity, half);
}

// Goal: a place once taken is never taken away. Method: while node 0 awaits the answers to its own
// assignments, another node's Init assigns it a place; whatever is answered stays true.
TEST(NodeActor, ANodeThatExecutesInitTakesNoPlaceFromAnother) {
  SimCluster cluster(3, seed);
  std::optional<Result<PeerId>> placed;
  cluster.on_assign = [&] {
    cluster.on_assign = nullptr;
    const Identity& own = *cluster.at(0).identity.identity;
    wire::Assign other{ClusterId(77), {NodeId(5), own.self.incarnation}, {}};
    other.config.members.push_back({other.self, Role::voter, "n1", "n1:2380", {"n1:2379"}});
    told(cluster.at(0).node.tell(
        PlaceAssigned{other, [&placed](Result<PeerId> reply) { placed = reply; }}));
  };
  const Result<Identity> mine = init(cluster, cluster.init_request());
  ASSERT_TRUE(placed.has_value());
  ASSERT_FALSE(placed->has_value());
  EXPECT_EQ(placed->error().code, Code::overloaded);
  ASSERT_TRUE(mine.has_value()) << mine.error().what;
  EXPECT_EQ(cluster.at(0).identity.identity->cluster, mine->cluster);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.leader().has_value(); }));
}

// Two Inits at once, in many orders: no node changes a place that it has, and the same Init again
// at the node that others follow makes one cluster of all.
TEST(NodeActor, InitsAtTwoNodesAtOnceLeaveEveryPlaceWhereItIs) {
  for (std::uint64_t run = 1; run <= 50; ++run) {
    SCOPED_TRACE("seed " + std::to_string(run));
    SimCluster cluster(3, run);
    std::size_t answers = 0;
    for (const std::size_t at : {0U, 1U}) {
      cluster.at(at).node.ask_from_outside(cluster.init_request(),
                                           [&answers](Result<Identity>&&) { ++answers; });
    }
    ASSERT_TRUE(cluster.run_until([&] { return answers == 2; }));
    for (const auto& node : cluster.nodes) {
      EXPECT_LE(node->identity.places.size(), 1U);
      EXPECT_TRUE(node->fatal.errors.empty());
    }
    ASSERT_TRUE(init(cluster, cluster.init_request(), 0).has_value() ||
                init(cluster, cluster.init_request(), 1).has_value());
    ASSERT_TRUE(cluster.run_until([&] { return cluster.leader().has_value(); }));
  }
}

// Goal: "nothing took effect" is said only when it is so. Method: a member dies between the probes
// and the assignments; the other one takes its place, or refuses it as well.
TEST(NodeActor, AnInitThatMayHaveTakenEffectIsOfUnknownOutcome) {
  for (const bool another_took_its_place : {true, false}) {
    SimCluster cluster(3, seed);
    cluster.at(1).identity.full = !another_took_its_place;
    cluster.on_assign = [&cluster] {
      cluster.on_assign = nullptr;
      cluster.at(2).crash();
    };
    const Result<Identity> failed = init(cluster, cluster.init_request());
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(cluster.at(1).identity.identity->initialised(), another_took_its_place);
    EXPECT_EQ(outcome_unknown(failed.error().code), another_took_its_place);
    EXPECT_EQ(certainly_not_applied(failed.error().code), !another_took_its_place);
    EXPECT_NE(std::string_view(failed.error().what).find("the same Init again goes on"),
              std::string_view::npos);
    cluster.at(1).identity.full = false;
    cluster.at(2).start();
    EXPECT_TRUE(init(cluster, cluster.init_request()).has_value());
  }
}

// The node that executes Init takes its own place last: its full disk leaves the others with
// theirs.
TEST(NodeActor, AnInitThatOnlyItsOwnNodeDidNotFollowIsOfUnknownOutcome) {
  SimCluster cluster(3, seed);
  cluster.on_assign = [&cluster] { cluster.at(0).identity.full = true; };
  const Result<Identity> failed = init(cluster, cluster.init_request());
  ASSERT_FALSE(failed.has_value());
  EXPECT_TRUE(outcome_unknown(failed.error().code));
  cluster.on_assign = nullptr;
  cluster.at(0).identity.full = false;
  EXPECT_TRUE(init(cluster, cluster.init_request()).has_value());
}

TEST(NodeActor, ANodeThatStopsSaysSo) {
  SimCluster cluster(1, seed);
  cluster.init();
  const auto phase = [&cluster] {
    std::optional<NodePhase> said;
    cluster.at(0).node.ask_from_outside(
        GetNode{}, [&said](Result<NodeState>&& state) { said = state.value().phase; });
    cluster.world.run_until_idle();
    return said.value();
  };
  EXPECT_EQ(phase(), NodePhase::running);
  told(cluster.at(0).node.tell(Stopping{}));
  EXPECT_EQ(phase(), NodePhase::stopping);
}

// Goal: what --advertise-* says counts for something. Method: one node believes to be reached at
// other addresses than Init gives it, one at the same, one has no opinion.
TEST(NodeActor, AnAddressThatTheMembershipDoesNotShareIsWarnedOf) {
  SimCluster cluster(3, seed);
  for (const std::size_t at : {0U, 1U}) {
    SimNode& node = cluster.at(at);
    node.crash();
    const std::string host = at == 0 ? "n1" : "another";
    node.advertised = {host + ":2380", host + ":2379"};
    node.start();
  }
  cluster.init();
  EXPECT_TRUE(cluster.at(0).log_sink.warnings.empty());
  EXPECT_TRUE(cluster.at(2).log_sink.warnings.empty());
  const std::vector<std::string>& warnings = cluster.at(1).log_sink.warnings;
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_NE(warnings[0].find("--advertise-peer"), std::string::npos);
  EXPECT_NE(warnings[1].find("--advertise-client"), std::string::npos);
}

TEST(NodeActor, AMemberOfAnotherClusterIsNotTaken) {
  SimCluster cluster(3, seed);
  InitCluster alone = cluster.init_request();
  alone.members = {alone.members[1]};
  ASSERT_TRUE(init(cluster, alone, 1).has_value());
  const Result<Identity> refused = init(cluster, cluster.init_request());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::already_initialised);
  EXPECT_FALSE(cluster.at(0).identity.identity->initialised());
}

TEST(NodeActor, APlaceIsForTheIncarnationItNames) {
  SimCluster cluster(3, seed);
  cluster.init();
  const Identity placed = *cluster.at(1).identity.identity;
  std::optional<Result<PeerId>> answer;
  const auto assign = [&](const wire::Assign& place) {
    answer.reset();
    told(cluster.at(1).node.tell(
        PlaceAssigned{place, [&](Result<PeerId> reply) { answer = reply; }}));
    cluster.world.run_until_idle();
    return answer.value();
  };
  EXPECT_TRUE(assign({placed.cluster, placed.self, placed.bootstrap}).has_value());
  EXPECT_EQ(assign({ClusterId(1), placed.self, placed.bootstrap}).error().code,
            Code::already_initialised);
}

TEST(InitRequest, EveryMistakeIsNamed) {
  SimCluster cluster(3, seed);
  const InitCluster good = cluster.init_request();
  EXPECT_TRUE(validate(good).has_value());
  const auto broken = [&good](const std::function<void(InitCluster&)>& change) {
    InitCluster request = good;
    change(request);
    return validate(request).error().code;
  };
  EXPECT_EQ(broken([](InitCluster& r) { r.members.clear(); }), Code::invalid_argument);
  EXPECT_EQ(broken([](InitCluster& r) { r.members.resize(8, r.members[0]); }),
            Code::invalid_argument);
  EXPECT_EQ(broken([](InitCluster& r) { r.members[1].name = "n1"; }), Code::invalid_argument);
  EXPECT_EQ(broken([](InitCluster& r) { r.members[1].name = ""; }), Code::invalid_argument);
  EXPECT_EQ(broken([](InitCluster& r) { r.members[1].peer_address = "n1:2380"; }),
            Code::invalid_argument);
  EXPECT_EQ(broken([](InitCluster& r) { r.members[1].client_addresses = {}; }),
            Code::invalid_argument);
  EXPECT_EQ(broken([](InitCluster& r) { r.cluster = ClusterId(); }), Code::invalid_argument);
  EXPECT_FALSE(find_self(good, "n9").has_value());
  EXPECT_EQ(find_self(good, "n2").value(), 1U);
}

TEST(InitRequest, AddressesAreHostAndPort) {
  for (const char* good : {"a:1", "10.0.0.1:2380", "[::1]:65535", "n1.svc.cluster.local:2380"}) {
    EXPECT_TRUE(valid_address(good)) << good;
  }
  for (const char* bad : {"", "a", ":1", "a:", "a:0", "a:65536", "a:x", "::1:2380", "a:123456"}) {
    EXPECT_FALSE(valid_address(bad)) << bad;
  }
}

}  // namespace
}  // namespace aspen::replica
