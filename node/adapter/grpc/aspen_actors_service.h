// aspen.v1.Actors over gateway::Actors. Tree is served everywhere, Kill on the control socket
// alone; Top and Inspect are not served.
//
// Owner: the server. Thread: any.
#pragma once

#include "aspen/v1/actors.grpc.pb.h"
#include "node/adapter/grpc/call.h"
#include "node/gateway/actors.h"

namespace aspen::adapter {

class AspenActorsService final : public aspen::v1::Actors::CallbackService {
 public:
  // `actors` null: everything is refused as unsupported.
  AspenActorsService(Frontend& frontend, gateway::Actors* actors);

  ::grpc::ServerUnaryReactor* Tree(::grpc::CallbackServerContext* context,
                                   const aspen::v1::TreeRequest* request,
                                   aspen::v1::TreeResponse* response) override;
  ::grpc::ServerUnaryReactor* Kill(::grpc::CallbackServerContext* context,
                                   const aspen::v1::KillRequest* request,
                                   aspen::v1::KillResponse* response) override;

 private:
  Frontend& frontend_;
  gateway::Actors* const actors_;
  MethodMetrics tree_;
  MethodMetrics kill_;
};

}  // namespace aspen::adapter
