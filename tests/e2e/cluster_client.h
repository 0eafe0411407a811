// What tests ask a cluster of real processes: Init, who leads, whether its members hold the same.
//
// Owner: one test. Thread: any; calls block until answered or until a few seconds have passed.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "etcd/rpc.grpc.pb.h"
#include "tests/e2e/processes.h"

namespace aspen::e2e {

// A channel that tries again soon when its node comes back.
[[nodiscard]] std::shared_ptr<grpc::Channel> channel_to(const std::string& address);

// The context of a call that waits for its channel to connect.
[[nodiscard]] std::unique_ptr<grpc::ClientContext> context(std::chrono::milliseconds timeout);

class ClusterClient {
 public:
  // `processes` outlives it.
  explicit ClusterClient(const ClusterProcesses& processes);

  // Of all nodes, or of the first ones, at node 0. False if it was refused.
  [[nodiscard]] bool init() { return init(channels_.size()); }
  [[nodiscard]] bool init(std::size_t members);
  [[nodiscard]] std::optional<etcdserverpb::StatusResponse> status(std::size_t node);
  // The node that calls itself the leader.
  [[nodiscard]] std::optional<std::size_t> leader();
  // Whether all nodes that run have the same HashKV at the same revision.
  [[nodiscard]] bool hashes_equal();
  [[nodiscard]] const std::shared_ptr<grpc::Channel>& channel(std::size_t node) const {
    return channels_.at(node);
  }

 private:
  const ClusterProcesses& processes_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
};

}  // namespace aspen::e2e
