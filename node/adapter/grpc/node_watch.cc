#include "node/adapter/grpc/node_watch.h"

#include "node/adapter/grpc/aspen_codec.h"
#include "node/base/limits.h"

namespace aspen::adapter {
namespace {

constexpr int wait_ms = 250;

// Why a stream over this view ends; ok if it goes on.
Error end_of(const Frontend& frontend, const gateway::NodeView& view) {
  const gateway::Phase phase = view.phase;
  if (frontend.stopping || phase == gateway::Phase::stopping) {
    return {Code::shutting_down, "the node is stopping"};
  }
  if (phase == gateway::Phase::draining) {
    return {Code::shutting_down, "the node is drained: ask another one"};
  }
  return {};
}

}  // namespace

NodeWatch::NodeWatch(Method method, ::grpc::CallbackServerContext& context,
                     std::atomic<std::size_t>& watches)
    : method_(method), context_(context), watches_(watches), started_(method.frontend.clock.now()) {
  method_.metrics.on_started();
  if (watches_.fetch_add(1) < limits::node_watches_max) {
    look();
    return;
  }
  if (go_on(Step::finished)) finish({Code::overloaded, "too many streams of WatchNodes"});
}

void NodeWatch::OnWriteDone(bool ok) {
  if (ok) {
    wait();
  } else if (go_on(Step::finished)) {
    finish(Error{Code::cancelled});
  }
}

void NodeWatch::OnCancel() {
  bool looking = false;
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    looking = step_ == Step::looking;
    // The gateway may be slow; its answer is dropped when it comes.
    if (looking) step_ = Step::finished;
    if (step_ == Step::waiting) alarm_.Cancel();
  }
  if (looking) finish(Error{Code::cancelled});
}

void NodeWatch::OnDone() {
  const std::size_t before = watches_.fetch_sub(1);
  ASPEN_ASSERT(before > 0);
  release();
}

void NodeWatch::look() {
  references_.fetch_add(1, std::memory_order_relaxed);
  const gateway::Deadline deadline = method_.frontend.service.default_deadline();
  method_.frontend.service.view(deadline, [this](Result<gateway::Reply<gateway::NodeView>>&& view) {
    on_view(std::move(view));
    release();
  });
}

void NodeWatch::on_view(Result<gateway::Reply<gateway::NodeView>>&& view) {
  // After the server's stop nothing behind `method_` may be touched; from here on it waits.
  if (!go_on(Step::deciding)) return;
  const Error end = view ? end_of(method_.frontend, view->body) : view.error();
  if (end.code != Code::ok) {
    if (go_on(Step::finished)) finish(end);
    return;
  }
  aspen::v1::WatchNodesResponse now;
  encode_nodes(view->body, now);
  std::string text = now.SerializeAsString();
  if (!first_ && text == sent_) {
    wait();
    return;
  }
  if (!go_on(Step::writing)) return;
  first_ = false;
  sent_ = std::move(text);
  response_ = std::move(now);
  StartWrite(&response_);
}

void NodeWatch::wait() {
  const std::lock_guard lock(mutex_);
  if (step_ == Step::finished) return;
  step_ = Step::waiting;
  const auto now = gpr_now(GPR_CLOCK_MONOTONIC);
  const auto at = cancelled_ ? now : gpr_time_add(now, gpr_time_from_millis(wait_ms, GPR_TIMESPAN));
  alarm_.Set(at, [this](bool) {
    bool cancelled = false;
    {
      const std::lock_guard alarm_lock(mutex_);
      cancelled = cancelled_;
      step_ = cancelled ? Step::finished : Step::looking;
    }
    if (cancelled) {
      finish(Error{Code::cancelled});
    } else {
      look();
    }
  });
}

void NodeWatch::finish(const Error& error) {
  context_.AddTrailingMetadata(wire::code_metadata, to_string(error.code));
  const ::grpc::Status status = aspen_status(error);
  method_.metrics.on_handled(status.error_code(), method_.frontend.clock.now() - started_);
  Finish(status);
}

bool NodeWatch::go_on(Step next) {
  const std::lock_guard lock(mutex_);
  if (step_ == Step::finished) return false;
  step_ = next;
  return true;
}

void NodeWatch::release() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

}  // namespace aspen::adapter
