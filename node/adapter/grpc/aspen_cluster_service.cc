#include "node/adapter/grpc/aspen_cluster_service.h"

#include "node/adapter/grpc/aspen_codec.h"
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

}  // namespace

AspenClusterService::AspenClusterService(Frontend& frontend, std::string version)
    : frontend_(frontend),
      version_(std::move(version)),
      init_(serving(frontend, {cluster_service, "Init"})),
      state_(serving(frontend, {cluster_service, "State"})),
      metrics_(serving(frontend, {cluster_service, "Metrics"})),
      node_id_(serving(frontend, {cluster_service, "NodeId"})),
      ping_(serving(frontend, {cluster_service, "Ping"})) {}

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

}  // namespace aspen::adapter
