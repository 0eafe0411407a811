#include "node/adapter/grpc/health_service.h"

#include <grpcpp/alarm.h>

#include <algorithm>
#include <mutex>

#include "node/base/limits.h"

namespace aspen::adapter {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

// Writes the status, then alternates between waiting and, if the status has changed, writing.
// Exactly one of a write and an alarm is outstanding until Finish.
class HealthService::WatchCall final : public ::grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  WatchCall(HealthService& owner, std::string service)
      : owner_(owner), service_(std::move(service)), started_(owner.frontend_.clock.now()) {
    owner_.watch_.on_started();
    if (owner_.watches_.fetch_add(1) >= limits::health_watches_max) {
      finish(Code::overloaded);
      return;
    }
    write(owner_.status_of(service_));
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      finish(Code::cancelled);
      return;
    }
    wait();
  }
  void OnCancel() override {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    alarm_.Cancel();
  }
  void OnDone() override {
    owner_.watches_.fetch_sub(1);
    delete this;
  }

 private:
  static constexpr int wait_ms = 250;

  void finish(Code code) {
    const ::grpc::Status status = etcd_status(Error{code});
    owner_.watch_.on_handled(status.error_code(), owner_.frontend_.clock.now() - started_);
    Finish(status);
  }

  void write(ServingStatus status) {
    sent_ = status;
    response_.set_status(status);
    StartWrite(&response_);
  }

  void wait() {
    const std::lock_guard lock(mutex_);
    const auto at = cancelled_ ? gpr_now(GPR_CLOCK_MONOTONIC)
                               : gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                              gpr_time_from_millis(wait_ms, GPR_TIMESPAN));
    alarm_.Set(at, [this](bool) { on_alarm(); });
  }

  void on_alarm() {
    bool cancelled = false;
    {
      const std::lock_guard lock(mutex_);
      cancelled = cancelled_;
    }
    const ServingStatus status = owner_.status_of(service_);
    if (cancelled) {
      finish(Code::cancelled);
    } else if (owner_.frontend_.stopping && status == sent_) {
      finish(Code::shutting_down);
    } else if (status != sent_) {
      write(status);
    } else {
      wait();
    }
  }

  HealthService& owner_;
  const std::string service_;
  const Instant started_;
  HealthCheckResponse response_;
  ServingStatus sent_ = HealthCheckResponse::UNKNOWN;
  std::mutex mutex_;  // orders OnCancel and wait()
  bool cancelled_ = false;
  ::grpc::Alarm alarm_;
};

HealthService::HealthService(Frontend& frontend, std::vector<std::string> services)
    : frontend_(frontend),
      services_(std::move(services)),
      check_(serving(frontend, {"grpc.health.v1.Health", "Check"})),
      watch_(serving(frontend, {"grpc.health.v1.Health", "Watch"})) {}

HealthService::ServingStatus HealthService::status_of(const std::string& service) const {
  const bool known =
      service.empty() || std::find(services_.begin(), services_.end(), service) != services_.end();
  if (!known) return HealthCheckResponse::SERVICE_UNKNOWN;
  const bool live = !frontend_.stopping && frontend_.service.health().live;
  return live ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

::grpc::ServerUnaryReactor* HealthService::Check(::grpc::CallbackServerContext* context,
                                                 const HealthCheckRequest* request,
                                                 HealthCheckResponse* response) {
  auto* call = new UnaryCall<HealthCheckResponse>({frontend_, check_}, *context, response);
  const ServingStatus status = status_of(request->service());
  if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
    call->refuse(Error{Code::not_found, "unknown service"}, aspen_status);
  } else {
    call->answer([status](HealthCheckResponse& out) { out.set_status(status); });
  }
  return call;
}

::grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    ::grpc::CallbackServerContext*, const HealthCheckRequest* request) {
  return new WatchCall(*this, request->service());
}

}  // namespace aspen::adapter
