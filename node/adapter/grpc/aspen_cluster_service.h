// aspen.v1.Cluster over the gateway.
//
// Owner: the server. Thread: any. Bound: limits::node_watches_max streams of WatchNodes.
#pragma once

#include <atomic>
#include <string>

#include "aspen/v1/cluster.grpc.pb.h"
#include "node/adapter/grpc/call.h"

namespace aspen::adapter {

class AspenClusterService final : public aspen::v1::Cluster::CallbackService {
 public:
  // `version` is Aspen's own.
  AspenClusterService(Frontend& frontend, std::string version);

  ::grpc::ServerUnaryReactor* Init(::grpc::CallbackServerContext* context,
                                   const aspen::v1::InitRequest* request,
                                   aspen::v1::InitResponse* response) override;
  ::grpc::ServerUnaryReactor* State(::grpc::CallbackServerContext* context,
                                    const aspen::v1::StateRequest* request,
                                    aspen::v1::StateResponse* response) override;
  ::grpc::ServerUnaryReactor* Metrics(::grpc::CallbackServerContext* context,
                                      const aspen::v1::MetricsRequest* request,
                                      aspen::v1::MetricsResponse* response) override;
  ::grpc::ServerUnaryReactor* NodeId(::grpc::CallbackServerContext* context,
                                     const aspen::v1::NodeIdRequest* request,
                                     aspen::v1::NodeIdResponse* response) override;
  ::grpc::ServerUnaryReactor* Ping(::grpc::CallbackServerContext* context,
                                   const aspen::v1::PingRequest* request,
                                   aspen::v1::PingResponse* response) override;
  ::grpc::ServerUnaryReactor* AddLearner(::grpc::CallbackServerContext* context,
                                         const aspen::v1::AddLearnerRequest* request,
                                         aspen::v1::AddLearnerResponse* response) override;
  ::grpc::ServerUnaryReactor* ChangeMembership(
      ::grpc::CallbackServerContext* context, const aspen::v1::ChangeMembershipRequest* request,
      aspen::v1::ChangeMembershipResponse* response) override;
  ::grpc::ServerUnaryReactor* RemoveNode(::grpc::CallbackServerContext* context,
                                         const aspen::v1::RemoveNodeRequest* request,
                                         aspen::v1::RemoveNodeResponse* response) override;
  ::grpc::ServerUnaryReactor* TransferLeadership(
      ::grpc::CallbackServerContext* context, const aspen::v1::TransferLeadershipRequest* request,
      aspen::v1::TransferLeadershipResponse* response) override;
  ::grpc::ServerUnaryReactor* TriggerSnapshot(
      ::grpc::CallbackServerContext* context, const aspen::v1::TriggerSnapshotRequest* request,
      aspen::v1::TriggerSnapshotResponse* response) override;
  ::grpc::ServerUnaryReactor* Drain(::grpc::CallbackServerContext* context,
                                    const aspen::v1::DrainRequest* request,
                                    aspen::v1::DrainResponse* response) override;
  ::grpc::ServerWriteReactor<aspen::v1::WatchNodesResponse>* WatchNodes(
      ::grpc::CallbackServerContext* context, const aspen::v1::WatchNodesRequest* request) override;

 private:
  Frontend& frontend_;
  const std::string version_;
  MethodMetrics init_;
  MethodMetrics state_;
  MethodMetrics metrics_;
  MethodMetrics node_id_;
  MethodMetrics ping_;
  MethodMetrics add_learner_;
  MethodMetrics change_membership_;
  MethodMetrics remove_node_;
  MethodMetrics transfer_leadership_;
  MethodMetrics trigger_snapshot_;
  MethodMetrics drain_;
  MethodMetrics watch_nodes_;
  std::atomic<std::size_t> watches_{0};
};

}  // namespace aspen::adapter
