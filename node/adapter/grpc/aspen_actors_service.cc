#include "node/adapter/grpc/aspen_actors_service.h"

#include <algorithm>
#include <string>

namespace aspen::adapter {
namespace {

constexpr const char* actors_service = "aspen.v1.Actors";
constexpr Duration id_wait_max = std::chrono::milliseconds(250);
constexpr Error not_served{Code::unsupported, "this server shows no actors"};
constexpr Error not_here{Code::permission_denied,
                         "an actor is killed through the control socket in the data directory"};

aspen::v1::ActorState state_of(gateway::ActorState state) {
  switch (state) {
    case gateway::ActorState::starting:
      return aspen::v1::ACTOR_STATE_STARTING;
    case gateway::ActorState::running:
      return aspen::v1::ACTOR_STATE_RUNNING;
    case gateway::ActorState::stopping:
      return aspen::v1::ACTOR_STATE_STOPPING;
    case gateway::ActorState::restarting:
      return aspen::v1::ACTOR_STATE_RESTARTING;
  }
  ASPEN_UNREACHABLE();
}

void encode(const gateway::ActorLine& line, aspen::v1::Actor& out) {
  out.set_id(line.id);
  out.set_parent(line.parent);
  out.set_name(line.name);
  out.set_kind(std::string(line.type));
  out.set_state(state_of(line.state));
  out.set_restarts(line.restarts);
  out.set_mailbox(line.depth);
  out.set_mailbox_max(line.mailbox_max);
  out.set_worker(static_cast<std::uint32_t>(line.worker));
}

Result<gateway::ActorKey> decode(const aspen::v1::ActorRef& ref) {
  switch (ref.by_case()) {
    case aspen::v1::ActorRef::kId:
      return gateway::ActorKey(ref.id());
    case aspen::v1::ActorRef::kName:
      return gateway::ActorKey(ref.name());
    case aspen::v1::ActorRef::BY_NOT_SET:
      break;
  }
  return fail(Code::invalid_argument, "an actor is named by its id or its name");
}

Result<gateway::EndAs> decode(aspen::v1::KillRequest::How how) {
  if (how == aspen::v1::KillRequest::HOW_STOP) return gateway::EndAs::stopped;
  if (how == aspen::v1::KillRequest::HOW_FAIL) return gateway::EndAs::failed;
  return fail(Code::invalid_argument, "how an actor ends is stop or fail");
}

}  // namespace

AspenActorsService::AspenActorsService(Frontend& frontend, gateway::Actors* actors)
    : frontend_(frontend),
      actors_(actors),
      tree_(serving(frontend, {actors_service, "Tree"})),
      kill_(serving(frontend, {actors_service, "Kill"})) {}

::grpc::ServerUnaryReactor* AspenActorsService::Tree(::grpc::CallbackServerContext* context,
                                                     const aspen::v1::TreeRequest* request,
                                                     aspen::v1::TreeResponse* response) {
  auto start = [this, root = request->root()](gateway::Deadline deadline, auto* call) {
    if (actors_ == nullptr) return call->refuse(not_served, aspen_status);
    Result<std::vector<gateway::ActorLine>> lines = actors_->tree(root);
    if (!lines) return call->refuse(lines.error(), aspen_status);
    // A tree that is just healing is what one looks for: the node's id is not waited for long.
    const gateway::Deadline soon{std::min(deadline.at, frontend_.clock.now() + id_wait_max)};
    frontend_.service.view(soon, [call, lines = std::move(*lines)](auto&& view) {
      call->answer([&](aspen::v1::TreeResponse& out) {
        if (view) out.set_node_id(view->body.self.id.value);
        for (const gateway::ActorLine& line : lines) encode(line, *out.add_actors());
      });
    });
  };
  return serve({frontend_, tree_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* AspenActorsService::Kill(::grpc::CallbackServerContext* context,
                                                     const aspen::v1::KillRequest* request,
                                                     aspen::v1::KillResponse* response) {
  const bool local = context->peer().starts_with("unix:");
  auto start = [this, local, key = decode(request->actor()), how = decode(request->how())](
                   gateway::Deadline, auto* call) {
    if (actors_ == nullptr) return call->refuse(not_served, aspen_status);
    if (!local) return call->refuse(not_here, aspen_status);
    if (!key) return call->refuse(key.error(), aspen_status);
    if (!how) return call->refuse(how.error(), aspen_status);
    const Result<gateway::ActorLine> ended = actors_->end(*key, *how);
    if (!ended) return call->refuse(ended.error(), aspen_status);
    call->answer([&](aspen::v1::KillResponse& out) { encode(*ended, *out.mutable_actor()); });
  };
  return serve({frontend_, kill_, Effect::write}, *context, response, std::move(start));
}

}  // namespace aspen::adapter
