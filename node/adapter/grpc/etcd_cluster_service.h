// etcdserverpb.Cluster over the gateway. A member added here is bound to a data directory when one
// answers at its peer address; before that it has no name and no client address, as in etcd.
#pragma once

#include "etcd/rpc.grpc.pb.h"
#include "node/adapter/grpc/call.h"

namespace aspen::adapter {

class EtcdClusterService final : public etcdserverpb::Cluster::CallbackService {
 public:
  explicit EtcdClusterService(Frontend& frontend);

  ::grpc::ServerUnaryReactor* MemberAdd(::grpc::CallbackServerContext* context,
                                        const etcdserverpb::MemberAddRequest* request,
                                        etcdserverpb::MemberAddResponse* response) override;
  ::grpc::ServerUnaryReactor* MemberRemove(::grpc::CallbackServerContext* context,
                                           const etcdserverpb::MemberRemoveRequest* request,
                                           etcdserverpb::MemberRemoveResponse* response) override;
  ::grpc::ServerUnaryReactor* MemberUpdate(::grpc::CallbackServerContext* context,
                                           const etcdserverpb::MemberUpdateRequest* request,
                                           etcdserverpb::MemberUpdateResponse* response) override;
  ::grpc::ServerUnaryReactor* MemberList(::grpc::CallbackServerContext* context,
                                         const etcdserverpb::MemberListRequest* request,
                                         etcdserverpb::MemberListResponse* response) override;
  ::grpc::ServerUnaryReactor* MemberPromote(::grpc::CallbackServerContext* context,
                                            const etcdserverpb::MemberPromoteRequest* request,
                                            etcdserverpb::MemberPromoteResponse* response) override;

 private:
  Frontend& frontend_;
  MethodMetrics member_add_;
  MethodMetrics member_remove_;
  MethodMetrics member_update_;
  MethodMetrics member_list_;
  MethodMetrics member_promote_;
};

}  // namespace aspen::adapter
