// grpc.health.v1 over the gateway: SERVING while the node is live, as the whole server ("") and for
// each service it serves. A Watch looks at the state every quarter of a second.
//
// Owner: the server. Thread: any. Bound: limits::health_watches_max watches at a time.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "node/adapter/grpc/call.h"

namespace aspen::adapter {

class HealthService final : public ::grpc::health::v1::Health::CallbackService {
 public:
  // `services` are the full names that are known beside "".
  HealthService(Frontend& frontend, std::vector<std::string> services);

  ::grpc::ServerUnaryReactor* Check(::grpc::CallbackServerContext* context,
                                    const ::grpc::health::v1::HealthCheckRequest* request,
                                    ::grpc::health::v1::HealthCheckResponse* response) override;
  ::grpc::ServerWriteReactor<::grpc::health::v1::HealthCheckResponse>* Watch(
      ::grpc::CallbackServerContext* context,
      const ::grpc::health::v1::HealthCheckRequest* request) override;

 private:
  class WatchCall;
  using ServingStatus = ::grpc::health::v1::HealthCheckResponse::ServingStatus;

  [[nodiscard]] ServingStatus status_of(const std::string& service) const;

  Frontend& frontend_;
  std::vector<std::string> services_;
  MethodMetrics check_;
  MethodMetrics watch_;
  std::atomic<std::size_t> watches_{0};
};

}  // namespace aspen::adapter
