// The supervision tree of a real node: what cannot be healed by restarts ends the process with
// status 5, and a restarted process heals it.
#include <gtest/gtest.h>

#include "tests/e2e/actor_client.h"
#include "tests/e2e/test_cluster.h"

namespace aspen::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int status_supervision = 5;

std::uint64_t id_of(const ActorTree& tree, const std::string& name) {
  for (const ActorLine& line : tree) {
    if (line.name == name) return line.id;
  }
  return 0;
}

// An actor that fails once more than its supervisor's window admits: the failure climbs to the
// root, and the process ends. What was acknowledged is there when it is started again.
TEST(Supervision, WhatRestartsDoNotHealEndsTheProcessWithStatus5) {
  TestCluster cluster;
  cluster.start();
  ASSERT_TRUE(cluster.eventually_put(0, "k", "v"));
  ActorClient actors(cluster.processes());
  std::optional<int> status;
  int killed = 0;
  // Its own failure each time; between two there is the back-off, in which it cannot fail.
  ASSERT_TRUE(eventually([&] {
    ActorTree tree;
    if (actors.whole_tree(0, tree) && actors.fail(0, id_of(tree, "raft"))) ++killed;
    status = cluster.processes().wait_end(0, milliseconds(1));
    return status.has_value();
  }));
  EXPECT_EQ(*status, status_supervision);
  EXPECT_GE(killed, 6);  // five restarts within ten seconds are admitted
  EXPECT_TRUE(cluster.logged(0, "an actor is restarted"));
  EXPECT_TRUE(cluster.logged(0, "a supervisor gave up"));
  cluster.processes().start(0);
  EXPECT_TRUE(eventually([&] { return cluster.get(0, "k") == "v"; }));
  EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); }));
}

TEST(Supervision, TheTreeIsThreeLevelsDeepAndKillIsTheOwnersAlone) {
  TestCluster cluster;
  cluster.start();
  const Ended tree = cluster.ctl(0, {"-o", "json", "actors", "tree"});
  EXPECT_EQ(tree.status, 0) << tree.output;
  EXPECT_NE(tree.output.find("\"level\": 3"), std::string::npos) << tree.output;
  for (const char* name : {"links", "raft", "node", "log-writer", "log-reader", "applier"}) {
    EXPECT_NE(tree.output.find(name), std::string::npos) << name;
  }
  // Through the client port nobody ends an actor.
  const auto stub = aspen::v1::Actors::NewStub(channel_to(cluster.node(0).client_address()));
  aspen::v1::KillRequest request;
  aspen::v1::KillResponse response;
  request.mutable_actor()->set_name("raft");
  request.set_how(aspen::v1::KillRequest::HOW_FAIL);
  const auto refused = stub->Kill(context(seconds(5)).get(), request, &response);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::PERMISSION_DENIED);

  const std::vector<std::string> kill{
      program("aspenctl"), "actors", "kill", "links", "--data-dir", cluster.node(0).directory};
  const Ended killed = run_to_end(kill);
  EXPECT_EQ(killed.status, 0) << killed.output;
  EXPECT_TRUE(eventually([&] {
    ActorTree now;
    ActorClient actors(cluster.processes());
    return actors.whole_tree(0, now) && now.at(1).restarts == 1;
  }));
  EXPECT_TRUE(cluster.eventually_put(0, "k", "v"));
  std::vector<std::string> nobody = kill;
  nobody[3] = "nobody";
  EXPECT_EQ(run_to_end(nobody).status, 1);
}

}  // namespace
}  // namespace aspen::e2e
