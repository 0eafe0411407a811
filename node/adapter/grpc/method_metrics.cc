#include "node/adapter/grpc/method_metrics.h"

#include "node/base/assert.h"

namespace aspen::adapter {

MethodMetrics::MethodMetrics(Telemetry& telemetry, MethodName name) {
  const std::vector<std::pair<std::string, std::string>> labels{{"grpc_service", name.service},
                                                                {"grpc_method", name.method}};
  started_ = &telemetry.counter(
      {"aspen_grpc_server_started_total", "Calls that reached a handler.", labels});
  seconds_ = &telemetry.histogram({"aspen_grpc_server_handling_seconds",
                                   "From the call's arrival to the status being sent.", labels},
                                  Buckets::request_seconds);
  for (int code = 0; code < status_codes; ++code) {
    auto with_code = labels;
    with_code.emplace_back("grpc_code", code_name(static_cast<::grpc::StatusCode>(code)));
    handled_[static_cast<std::size_t>(code)] =
        &telemetry.counter({"aspen_grpc_server_handled_total",
                            "Calls that were answered, by status code.", with_code});
  }
}

void MethodMetrics::on_handled(::grpc::StatusCode code, Duration took) noexcept {
  const auto index = static_cast<std::size_t>(code);
  ASPEN_ASSERT(index < handled_.size());
  handled_[index]->add(1);
  seconds_->observe(std::chrono::duration<double>(took).count());
}

}  // namespace aspen::adapter
