#include "node/adapter/grpc/aspen_cluster_service.h"

#include "node/adapter/grpc/aspen_codec.h"
#include "node/adapter/grpc/node_watch.h"
#include "node/base/limits.h"

namespace aspen::adapter {
namespace {

constexpr const char* cluster_service = "aspen.v1.Cluster";

// The Done of an aspen.v1 method: `fill(body, response)` writes all.
template <class Body, class Response, class Fill>
gateway::Done<Body> aspen_done(UnaryCall<Response>* call, Fill fill) {
  return [call, fill](Result<gateway::Reply<Body>>&& reply) {
    if (!reply) {
      call->refuse(reply.error(), aspen_status);
      return;
    }
    call->answer([&](Response& response) { fill(std::move(reply->body), response); });
  };
}

// The start of a change of the membership: `encode(result, response)` writes the answer.
template <class Encode>
auto changing(gateway::Service& service, Result<gateway::MembershipRequest> decoded,
              Encode encode) {
  return [&service, decoded = std::move(decoded), encode](gateway::Deadline deadline,
                                                          auto* call) mutable {
    if (!decoded) {
      call->refuse(decoded.error(), change_status);
      return;
    }
    auto done = [call, encode](Result<gateway::Reply<gateway::MembershipResult>>&& reply) {
      if (!reply) {
        call->refuse(reply.error(), change_status);
        return;
      }
      call->answer([&](auto& response) { encode(reply->body, response); });
    };
    service.change_membership(std::move(*decoded), deadline, std::move(done));
  };
}

// The new leader's name and addresses are the view's; if there is none the id must do.
void answer_transfer(gateway::Service& service, const gateway::TransferResult& result,
                     gateway::Deadline deadline,
                     UnaryCall<aspen::v1::TransferLeadershipResponse>* call) {
  service.view(deadline, [call, result](Result<gateway::Reply<gateway::NodeView>>&& view) {
    call->answer([&](aspen::v1::TransferLeadershipResponse& response) {
      const Config config = view ? std::move(view->body.config) : Config();
      encode_leader(result.leader, config, *response.mutable_leader());
      response.set_term(result.term.value);
    });
  });
}

}  // namespace

AspenClusterService::AspenClusterService(Frontend& frontend, std::string version)
    : frontend_(frontend),
      version_(std::move(version)),
      init_(serving(frontend, {cluster_service, "Init"})),
      state_(serving(frontend, {cluster_service, "State"})),
      metrics_(serving(frontend, {cluster_service, "Metrics"})),
      node_id_(serving(frontend, {cluster_service, "NodeId"})),
      ping_(serving(frontend, {cluster_service, "Ping"})),
      add_learner_(serving(frontend, {cluster_service, "AddLearner"})),
      change_membership_(serving(frontend, {cluster_service, "ChangeMembership"})),
      remove_node_(serving(frontend, {cluster_service, "RemoveNode"})),
      transfer_leadership_(serving(frontend, {cluster_service, "TransferLeadership"})),
      trigger_snapshot_(serving(frontend, {cluster_service, "TriggerSnapshot"})),
      drain_(serving(frontend, {cluster_service, "Drain"})),
      watch_nodes_(serving(frontend, {cluster_service, "WatchNodes"})) {}

::grpc::ServerUnaryReactor* AspenClusterService::Init(::grpc::CallbackServerContext* context,
                                                      const aspen::v1::InitRequest* request,
                                                      aspen::v1::InitResponse* response) {
  auto start = [this, decoded = decode_init(*request)](gateway::Deadline deadline,
                                                       auto* call) mutable {
    if (!decoded) {
      call->refuse(decoded.error(), aspen_status);
      return;
    }
    const auto fill = [](gateway::InitResult&& result, auto& out) { encode_init(result, out); };
    frontend_.service.init(std::move(*decoded), deadline,
                           aspen_done<gateway::InitResult>(call, fill));
  };
  return serve({frontend_, init_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* AspenClusterService::State(::grpc::CallbackServerContext* context,
                                                       const aspen::v1::StateRequest*,
                                                       aspen::v1::StateResponse* response) {
  auto start = [this](gateway::Deadline deadline, auto* call) {
    const auto fill = [this](gateway::NodeView&& view, auto& out) {
      encode_state(view, out);
      out.set_version(version_);
      const Health health = frontend_.service.health();
      if (!health.ready) out.set_reason(health.reason);
    };
    frontend_.service.view(deadline, aspen_done<gateway::NodeView>(call, fill));
  };
  return serve({frontend_, state_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* AspenClusterService::Metrics(::grpc::CallbackServerContext* context,
                                                         const aspen::v1::MetricsRequest*,
                                                         aspen::v1::MetricsResponse* response) {
  auto start = [this](gateway::Deadline deadline, auto* call) {
    const auto fill = [](gateway::NodeView&& view, auto& out) { encode_metrics(view, out); };
    frontend_.service.view(deadline, aspen_done<gateway::NodeView>(call, fill));
  };
  return serve({frontend_, metrics_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* AspenClusterService::NodeId(::grpc::CallbackServerContext* context,
                                                        const aspen::v1::NodeIdRequest*,
                                                        aspen::v1::NodeIdResponse* response) {
  auto start = [this](gateway::Deadline deadline, auto* call) {
    const auto fill = [](gateway::NodeView&& view, auto& out) { encode_node_id(view, out); };
    frontend_.service.view(deadline, aspen_done<gateway::NodeView>(call, fill));
  };
  return serve({frontend_, node_id_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* AspenClusterService::Ping(::grpc::CallbackServerContext* context,
                                                      const aspen::v1::PingRequest* request,
                                                      aspen::v1::PingResponse* response) {
  const bool fits = request->payload().size() <= limits::ping_bytes_max;
  auto start = [this, fits, payload = fits ? request->payload() : std::string()](
                   gateway::Deadline deadline, auto* call) {
    if (!fits) {
      call->refuse(Error{Code::invalid_argument, "a ping carries at most 1024 bytes"},
                   aspen_status);
      return;
    }
    const auto fill = [payload](gateway::NodeView&& view, auto& out) {
      out.set_payload(payload);
      out.set_node_id(view.self.id.value);
    };
    frontend_.service.view(deadline, aspen_done<gateway::NodeView>(call, fill));
  };
  return serve({frontend_, ping_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* AspenClusterService::AddLearner(
    ::grpc::CallbackServerContext* context, const aspen::v1::AddLearnerRequest* request,
    aspen::v1::AddLearnerResponse* response) {
  return serve({frontend_, add_learner_, Effect::write}, *context, response,
               changing(frontend_.service, decode_add(*request), encode_add));
}

::grpc::ServerUnaryReactor* AspenClusterService::ChangeMembership(
    ::grpc::CallbackServerContext* context, const aspen::v1::ChangeMembershipRequest* request,
    aspen::v1::ChangeMembershipResponse* response) {
  return serve({frontend_, change_membership_, Effect::write}, *context, response,
               changing(frontend_.service, decode_change(*request), encode_change));
}

::grpc::ServerUnaryReactor* AspenClusterService::RemoveNode(
    ::grpc::CallbackServerContext* context, const aspen::v1::RemoveNodeRequest* request,
    aspen::v1::RemoveNodeResponse* response) {
  return serve({frontend_, remove_node_, Effect::write}, *context, response,
               changing(frontend_.service, decode_remove(*request), encode_remove));
}

::grpc::ServerUnaryReactor* AspenClusterService::TransferLeadership(
    ::grpc::CallbackServerContext* context, const aspen::v1::TransferLeadershipRequest* request,
    aspen::v1::TransferLeadershipResponse* response) {
  auto start = [this, to = aspen::NodeId(request->node_id())](gateway::Deadline deadline,
                                                              auto* call) {
    auto done = [this, deadline, call](Result<gateway::Reply<gateway::TransferResult>>&& reply) {
      if (!reply) {
        call->refuse(reply.error(), aspen_status);
      } else if (call->finished()) {
        // After the server's stop this service may be gone, but no call is unfinished.
        call->refuse(Error{Code::cancelled});
      } else {
        answer_transfer(frontend_.service, reply->body, deadline, call);
      }
    };
    frontend_.service.transfer_leadership(to, deadline, std::move(done));
  };
  return serve({frontend_, transfer_leadership_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* AspenClusterService::TriggerSnapshot(
    ::grpc::CallbackServerContext* context, const aspen::v1::TriggerSnapshotRequest*,
    aspen::v1::TriggerSnapshotResponse* response) {
  auto start = [this](gateway::Deadline, auto* call) {
    const auto fill = [](gateway::SnapshotResult&& result, auto& out) {
      out.mutable_through()->set_term(result.through.term.value);
      out.mutable_through()->set_index(result.through.index.value);
      out.set_bytes(result.state_bytes);
    };
    frontend_.service.snapshot(aspen_done<gateway::SnapshotResult>(call, fill));
  };
  return serve({frontend_, trigger_snapshot_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* AspenClusterService::Drain(::grpc::CallbackServerContext* context,
                                                       const aspen::v1::DrainRequest*,
                                                       aspen::v1::DrainResponse* response) {
  auto start = [this](gateway::Deadline deadline, auto* call) {
    const auto fill = [](gateway::DrainResult&&, auto&) {};
    frontend_.service.drain(deadline, aspen_done<gateway::DrainResult>(call, fill));
  };
  return serve({frontend_, drain_}, *context, response, std::move(start));
}

::grpc::ServerWriteReactor<aspen::v1::WatchNodesResponse>* AspenClusterService::WatchNodes(
    ::grpc::CallbackServerContext* context, const aspen::v1::WatchNodesRequest*) {
  return new NodeWatch({frontend_, watch_nodes_}, *context, watches_);
}

}  // namespace aspen::adapter
