// The counters and the latency of one gRPC method, with go-grpc's label names.
//
// Owner: the service that serves the method. Thread: any. Every status code has its series from
// the start.
#pragma once

#include <grpcpp/support/status.h>

#include <array>
#include <string>

#include "node/adapter/grpc/status.h"
#include "node/base/time.h"
#include "node/port/telemetry.h"

namespace aspen::adapter {

struct MethodName {
  std::string service;  // with its package
  std::string method;
};

// As gRPC has it: "/service/method".
[[nodiscard]] std::string path_of(const MethodName& name);

[[nodiscard]] Counter& started_counter(Telemetry& telemetry, const MethodName& name);
[[nodiscard]] Counter& handled_counter(Telemetry& telemetry, const MethodName& name,
                                       ::grpc::StatusCode code);

class MethodMetrics {
 public:
  MethodMetrics(Telemetry& telemetry, const MethodName& name);

  void on_started() noexcept { started_->add(1); }
  void on_handled(::grpc::StatusCode code, Duration took) noexcept;

 private:
  Counter* started_;
  std::array<Counter*, status_codes> handled_{};
  Histogram* seconds_;
};

}  // namespace aspen::adapter
