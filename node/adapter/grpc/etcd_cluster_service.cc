#include "node/adapter/grpc/etcd_cluster_service.h"

#include "node/adapter/grpc/etcd_membership.h"
#include "node/wire/etcd_codec.h"

namespace aspen::adapter {
namespace {

constexpr const char* etcd_cluster = "etcdserverpb.Cluster";

template <class Response>
void encode_members(gateway::Header header, const Config& config, Response& out) {
  // Headers of this service carry no revision.
  header.revision = 0;
  set_header(header, *out.mutable_header());
  for (const Member& member : config.members) wire::encode(member, *out.add_members());
}

// The member that the change was about goes into responses that have a place for it.
void encode_subject(const gateway::MembershipResult& result, etcdserverpb::MemberAddResponse& out) {
  const Member* added = result.config.config.find(result.subject);
  if (added != nullptr) wire::encode(*added, *out.mutable_member());
}
template <class Response>
void encode_subject(const gateway::MembershipResult&, Response&) {}

// A change that the gateway is asked for by `deadline`.
struct Wanted {
  gateway::Service& service;
  gateway::MembershipRequest request;
  gateway::Deadline deadline;
};

template <class Response>
void change(Wanted wanted, UnaryCall<Response>* call) {
  wanted.service.change_membership(
      std::move(wanted.request), wanted.deadline,
      [call](Result<gateway::Reply<gateway::MembershipResult>>&& reply) {
        if (!reply) {
          call->refuse(reply.error(), etcd_member_status);
          return;
        }
        call->answer([&reply](Response& out) {
          encode_members(reply->header, reply->body.config.config, out);
          encode_subject(reply->body, out);
        });
      });
}

// Changes what `may(config)` does not refuse.
template <class Response, class May>
void change_if(Wanted wanted, UnaryCall<Response>* call, May may) {
  gateway::Service& service = wanted.service;
  const gateway::Deadline deadline = wanted.deadline;
  auto judge = [wanted = std::move(wanted), call,
                may](Result<gateway::Reply<gateway::NodeView>>&& view) {
    // After the server's stop nobody may use the service, but no call is unfinished.
    if (call->finished()) {
      call->refuse(Error{Code::cancelled});
    } else if (!view) {
      call->refuse(view.error());
    } else if (const Result<void> allowed = may(view->body.config); !allowed) {
      call->refuse(allowed.error(), etcd_member_status);
    } else {
      change(wanted, call);
    }
  };
  service.view(deadline, std::move(judge));
}

}  // namespace

EtcdClusterService::EtcdClusterService(Frontend& frontend)
    : frontend_(frontend),
      member_add_(serving(frontend, {etcd_cluster, "MemberAdd"})),
      member_remove_(serving(frontend, {etcd_cluster, "MemberRemove"})),
      member_update_(serving(frontend, {etcd_cluster, "MemberUpdate"})),
      member_list_(serving(frontend, {etcd_cluster, "MemberList"})),
      member_promote_(serving(frontend, {etcd_cluster, "MemberPromote"})) {}

::grpc::ServerUnaryReactor* EtcdClusterService::MemberAdd(
    ::grpc::CallbackServerContext* context, const etcdserverpb::MemberAddRequest* request,
    etcdserverpb::MemberAddResponse* response) {
  auto start = [this, add = decode_member_add(*request)](gateway::Deadline deadline, auto* call) {
    if (!add) {
      call->refuse(add.error(), etcd_member_status);
      return;
    }
    const auto may = [add = *add](const Config& config) { return may_add(add, config); };
    change_if({frontend_.service, {*add, std::nullopt}, deadline}, call, may);
  };
  return serve({frontend_, member_add_, Effect::write}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* EtcdClusterService::MemberRemove(
    ::grpc::CallbackServerContext* context, const etcdserverpb::MemberRemoveRequest* request,
    etcdserverpb::MemberRemoveResponse* response) {
  auto start = [this, id = NodeId(request->id())](gateway::Deadline deadline, auto* call) {
    const auto may = [id](const Config& config) { return may_remove(id, config); };
    const gateway::RemoveMember remove{id};
    change_if({frontend_.service, {remove, std::nullopt}, deadline}, call, may);
  };
  return serve({frontend_, member_remove_, Effect::write}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* EtcdClusterService::MemberUpdate(
    ::grpc::CallbackServerContext* context, const etcdserverpb::MemberUpdateRequest* request,
    etcdserverpb::MemberUpdateResponse* response) {
  auto start = [this, id = NodeId(request->id()), address = decode_peer_url(request->peerurls())](
                   gateway::Deadline deadline, auto* call) {
    if (!address) {
      call->refuse(address.error(), etcd_member_status);
      return;
    }
    const gateway::UpdateMember update{id, *address, {}};
    change({frontend_.service, {update, std::nullopt}, deadline}, call);
  };
  return serve({frontend_, member_update_, Effect::write}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* EtcdClusterService::MemberPromote(
    ::grpc::CallbackServerContext* context, const etcdserverpb::MemberPromoteRequest* request,
    etcdserverpb::MemberPromoteResponse* response) {
  auto start = [this, id = NodeId(request->id())](gateway::Deadline deadline, auto* call) {
    const gateway::PromoteMember promote{id};
    change({frontend_.service, {promote, std::nullopt}, deadline}, call);
  };
  return serve({frontend_, member_promote_, Effect::write}, *context, response, std::move(start));
}

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
        encode_members(reply->header, reply->body, out);
      });
    };
    frontend_.service.members(consistency, deadline, std::move(done));
  };
  return serve({frontend_, member_list_}, *context, response, std::move(start));
}

}  // namespace aspen::adapter
