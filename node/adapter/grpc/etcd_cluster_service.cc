#include "node/adapter/grpc/etcd_cluster_service.h"

#include "node/wire/etcd_codec.h"

namespace aspen::adapter {

EtcdClusterService::EtcdClusterService(Frontend& frontend)
    : frontend_(frontend),
      member_list_(serving(frontend, {"etcdserverpb.Cluster", "MemberList"})) {}

::grpc::ServerUnaryReactor* EtcdClusterService::MemberList(
    ::grpc::CallbackServerContext* context, const etcdserverpb::MemberListRequest* request,
    etcdserverpb::MemberListResponse* response) {
  const auto consistency = request->linearizable() ? gateway::Consistency::linearizable
                                                   : gateway::Consistency::serializable;
  auto start = [this, consistency](gateway::Deadline deadline, auto* call) {
    auto done = [call](Result<gateway::Reply<Config>>&& reply) {
      if (!reply) {
        call->refuse(reply.error());
        return;
      }
      call->answer([&reply](etcdserverpb::MemberListResponse& out) {
        // Headers of this service carry no revision.
        reply->header.revision = 0;
        set_header(reply->header, *out.mutable_header());
        for (const Member& member : reply->body.members) wire::encode(member, *out.add_members());
      });
    };
    frontend_.service.members(consistency, deadline, std::move(done));
  };
  return serve({frontend_, member_list_}, *context, response, std::move(start));
}

}  // namespace aspen::adapter
