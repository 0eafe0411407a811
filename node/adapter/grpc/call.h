// A unary call between gRPC and the gateway: its deadline, its figures, and the guarantee that it
// is finished exactly once, whether the gateway answers, the client cancels or the server stops.
//
// Thread: a call starts on a gRPC thread and ends on whichever thread the gateway answers from.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

#include "etcd/rpc.pb.h"
#include "node/adapter/grpc/method_metrics.h"
#include "node/adapter/grpc/status.h"
#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/gateway/service.h"
#include "node/port/clock.h"
#include "node/wire/etcd_names.h"

namespace aspen::adapter {

// How many bytes of answers gRPC holds until their clients have read them. Thread: any.
class AnswerBudget {
 public:
  explicit AnswerBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // False if the answer has no room; one that was taken is given back. A small answer has always
  // room, and any has that is alone.
  [[nodiscard]] bool take(std::size_t bytes) noexcept {
    const std::size_t before = used_.fetch_add(bytes, std::memory_order_relaxed);
    if (bytes <= limits::answer_small_bytes || before == 0 || before + bytes <= bytes_max_) {
      return true;
    }
    give_back(bytes);
    return false;
  }
  void give_back(std::size_t bytes) noexcept {
    const std::size_t before = used_.fetch_sub(bytes, std::memory_order_relaxed);
    ASPEN_ASSERT(before >= bytes);
  }

 private:
  const std::size_t bytes_max_;
  std::atomic<std::size_t> used_{0};
};

// What every service needs. Owner: the server; it outlives the services.
struct Frontend {
  gateway::Service& service;
  Clock& clock;
  Telemetry& telemetry;
  AnswerBudget answers;
  std::set<std::string> served;  // paths of the methods that have figures; complete before a call
  std::atomic<bool> stopping{false};
};

// The figures of a method that a service serves from now on.
[[nodiscard]] MethodMetrics serving(Frontend& frontend, const MethodName& name);

// The earlier of the client's deadline and the service's own.
[[nodiscard]] gateway::Deadline deadline_of(const ::grpc::CallbackServerContext& context,
                                            const Frontend& frontend);

// etcd's metadata `hasleader: true`: the client wants no service without a leader.
[[nodiscard]] bool requires_leader(const ::grpc::CallbackServerContext& context);

void set_header(const gateway::Header& header, etcdserverpb::ResponseHeader& out);

// Whether a call that got no answer may have changed something.
enum class Effect : std::uint8_t { none, write };

// What the calls of one method share.
struct Method {
  Frontend& frontend;
  MethodMetrics& metrics;
  Effect effect = Effect::none;
};

// Owned by itself: it ends when gRPC has let go of it and the one answer() or refuse() that its
// starter owes has been called.
template <class Response>
class UnaryCall final : public ::grpc::ServerUnaryReactor {
 public:
  UnaryCall(Method method, ::grpc::CallbackServerContext& context, Response* response)
      : method_(method),
        context_(context),
        response_(response),
        started_(method.frontend.clock.now()) {
    ASPEN_ASSERT(response != nullptr);
    method_.metrics.on_started();
  }

  // `fill` is called with the response unless the call is finished already. An answer for which
  // gRPC may not hold so much memory becomes a refusal, or an unknown outcome if it is a write's.
  template <class Fill>
  void answer(Fill&& fill) {
    if (claim()) {
      std::forward<Fill>(fill)(*response_);
      const std::size_t bytes = response_->ByteSizeLong();
      if (method_.frontend.answers.take(bytes)) {
        held_bytes_ = bytes;
        finish(::grpc::Status::OK);
      } else {
        *response_ = Response();
        finish(no_room());
      }
    }
    release();
  }
  // The code goes along as metadata: a status alone does not tell a client of ours whether the
  // request may have taken effect.
  void refuse(const Error& error, StatusOf status_of = etcd_status) {
    if (claim()) finish(named(error, status_of));
    release();
  }
  // Cancelled already: nothing but refuse() makes sense.
  [[nodiscard]] bool finished() const noexcept { return finished_.load(std::memory_order_acquire); }

  void OnCancel() override {
    if (claim()) finish(etcd_status(Error{Code::cancelled}));
  }
  void OnDone() override {
    method_.frontend.answers.give_back(held_bytes_);
    release();
  }

 private:
  // OnDone and OnCancel are short and never block; otherwise gRPC runs them on another thread,
  // whose wake-up costs more than the call.
  bool InternalInlineable() override { return true; }

  bool claim() noexcept { return !finished_.exchange(true, std::memory_order_acq_rel); }
  void finish(const ::grpc::Status& status) {
    method_.metrics.on_handled(status.error_code(), method_.frontend.clock.now() - started_);
    Finish(status);
  }
  ::grpc::Status named(const Error& error, StatusOf status_of) {
    context_.AddTrailingMetadata(wire::code_metadata, to_string(error.code));
    return status_of(error);
  }
  ::grpc::Status no_room() {
    if (method_.effect == Effect::write) return named(Error{Code::timed_out}, etcd_status);
    return named(Error{Code::overloaded}, etcd_status);
  }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const Method method_;
  ::grpc::CallbackServerContext& context_;  // gRPC's, valid until finish(), like the response
  Response* response_;
  Instant started_;
  std::size_t held_bytes_ = 0;
  std::atomic<bool> finished_{false};
  std::atomic<int> references_{2};
};

// Runs `start(deadline, call)`, which owes the call its end, unless the call is refused before.
template <class Response, class Start>
::grpc::ServerUnaryReactor* serve(Method method, ::grpc::CallbackServerContext& context,
                                  Response* response, Start start) {
  Frontend& frontend = method.frontend;
  auto* call = new UnaryCall<Response>(method, context, response);
  if (frontend.stopping.load(std::memory_order_relaxed)) {
    call->refuse(Error{Code::shutting_down});
    return call;
  }
  const gateway::Deadline deadline = deadline_of(context, frontend);
  if (!requires_leader(context)) {
    start(deadline, call);
    return call;
  }
  auto held = std::make_shared<Start>(std::move(start));
  frontend.service.view(deadline, [call, deadline, held](auto&& view) {
    // After the server's stop the service behind `held` may be gone, but no call is unfinished.
    if (call->finished()) {
      call->refuse(Error{Code::cancelled});
    } else if (!view) {
      call->refuse(view.error());
    } else if (!view->body.raft.soft.leader) {
      call->refuse(Error{Code::no_leader});
    } else {
      (*held)(deadline, call);
    }
  });
  return call;
}

// The Done of an etcd method: `Fill{}(body, response)` writes the body, the header is set here. A
// Fill without state leaves the Done as small as a pointer, which std::function does not allocate.
template <class Body, class Response, class Fill>
gateway::Done<Body> etcd_done(UnaryCall<Response>* call, const Fill&) {
  static_assert(std::is_empty_v<Fill>);
  return [call](Result<gateway::Reply<Body>>&& reply) {
    if (!reply) {
      call->refuse(reply.error());
      return;
    }
    call->answer([&reply](Response& response) {
      Fill{}(std::move(reply->body), response);
      set_header(reply->header, *response.mutable_header());
    });
  };
}

}  // namespace aspen::adapter
