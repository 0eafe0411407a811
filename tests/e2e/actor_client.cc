#include "tests/e2e/actor_client.h"

#include <set>

#include "tests/e2e/cluster_client.h"

namespace aspen::e2e {

ActorClient::ActorClient(const ClusterProcesses& processes) {
  for (const NodeProcess& node : processes.nodes()) {
    stubs_.push_back(
        aspen::v1::Actors::NewStub(channel_to("unix:" + node.directory + "/control.sock")));
  }
}

bool ActorClient::whole_tree(std::size_t node, ActorTree& tree) {
  aspen::v1::TreeResponse response;
  const auto call = context(std::chrono::seconds(2));
  if (!stubs_.at(node)->Tree(call.get(), {}, &response).ok()) return false;
  tree.clear();
  std::set<std::string> names;
  for (const auto& actor : response.actors()) {
    if (actor.state() != aspen::v1::ACTOR_STATE_RUNNING) return false;
    const std::string name = actor.name().empty() ? actor.kind() : actor.name();
    names.insert(name);
    tree.push_back({actor.id(), actor.parent(), name, actor.restarts()});
  }
  return names.contains("applier");  // the replica's children start last
}

bool ActorClient::fail(std::size_t node, std::uint64_t id) {
  aspen::v1::KillRequest request;
  aspen::v1::KillResponse response;
  request.mutable_actor()->set_id(id);
  request.set_how(aspen::v1::KillRequest::HOW_FAIL);
  const auto call = context(std::chrono::seconds(5));
  return stubs_.at(node)->Kill(call.get(), request, &response).ok();
}

}  // namespace aspen::e2e
