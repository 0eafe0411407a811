// aspen.v1.Cluster over the gateway: Init, State, Metrics, NodeId, Ping. The others are not served.
#pragma once

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

 private:
  Frontend& frontend_;
  const std::string version_;
  MethodMetrics init_;
  MethodMetrics state_;
  MethodMetrics metrics_;
  MethodMetrics node_id_;
  MethodMetrics ping_;
};

}  // namespace aspen::adapter
