// etcdserverpb.Cluster over the gateway: MemberList. Changes of the membership are not served.
#pragma once

#include "etcd/rpc.grpc.pb.h"
#include "node/adapter/grpc/call.h"

namespace aspen::adapter {

class EtcdClusterService final : public etcdserverpb::Cluster::CallbackService {
 public:
  explicit EtcdClusterService(Frontend& frontend);

  ::grpc::ServerUnaryReactor* MemberList(::grpc::CallbackServerContext* context,
                                         const etcdserverpb::MemberListRequest* request,
                                         etcdserverpb::MemberListResponse* response) override;

 private:
  Frontend& frontend_;
  MethodMetrics member_list_;
};

}  // namespace aspen::adapter
