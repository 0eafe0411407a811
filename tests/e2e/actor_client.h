// What tests ask and do of the actors of real nodes: their tree, and the end of one of them,
// through the control socket.
//
// Owner: one test. Thread: any; calls block until answered or until a few seconds have passed.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aspen/v1/actors.grpc.pb.h"
#include "tests/e2e/processes.h"

namespace aspen::e2e {

struct ActorLine {
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  std::string name;  // of the type, if it has none
  std::uint64_t restarts = 0;
  friend bool operator==(const ActorLine&, const ActorLine&) = default;
};
using ActorTree = std::vector<ActorLine>;  // parents before children, the root first

class ActorClient {
 public:
  // `processes` outlives it.
  explicit ActorClient(const ClusterProcesses& processes);

  // False unless the node answers and every actor of it runs.
  [[nodiscard]] bool whole_tree(std::size_t node, ActorTree& tree);
  // As if its handler had failed. False if it was refused.
  [[nodiscard]] bool fail(std::size_t node, std::uint64_t id);

 private:
  std::vector<std::unique_ptr<aspen::v1::Actors::Stub>> stubs_;
};

}  // namespace aspen::e2e
