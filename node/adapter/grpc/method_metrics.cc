#include "node/adapter/grpc/method_metrics.h"

#include "node/base/assert.h"

namespace aspen::adapter {

namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

Labels labels_of(const MethodName& name) {
  return {{"grpc_service", name.service}, {"grpc_method", name.method}};
}

}  // namespace

std::string path_of(const MethodName& name) {
  return "/" + name.service + "/" + name.method;
}

Counter& started_counter(Telemetry& telemetry, const MethodName& name) {
  return telemetry.counter(
      {"aspen_grpc_server_started_total", "Calls that reached a handler.", labels_of(name)});
}

Counter& handled_counter(Telemetry& telemetry, const MethodName& name, ::grpc::StatusCode code) {
  Labels labels = labels_of(name);
  labels.emplace_back("grpc_code", code_name(code));
  return telemetry.counter({"aspen_grpc_server_handled_total",
                            "Calls that were answered, by status code.", std::move(labels)});
}

MethodMetrics::MethodMetrics(Telemetry& telemetry, const MethodName& name)
    : started_(&started_counter(telemetry, name)),
      seconds_(&telemetry.histogram(
          {"aspen_grpc_server_handling_seconds",
           "From the call's arrival to the status being sent.", labels_of(name)},
          Buckets::request_seconds)) {
  for (int code = 0; code < status_codes; ++code) {
    handled_[static_cast<std::size_t>(code)] =
        &handled_counter(telemetry, name, static_cast<::grpc::StatusCode>(code));
  }
}

void MethodMetrics::on_handled(::grpc::StatusCode code, Duration took) noexcept {
  const auto index = static_cast<std::size_t>(code);
  ASPEN_ASSERT(index < handled_.size());
  handled_[index]->add(1);
  seconds_->observe(std::chrono::duration<double>(took).count());
}

}  // namespace aspen::adapter
