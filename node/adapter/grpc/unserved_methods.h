// Counts calls of methods that a registered service declares and that no code of ours serves: gRPC
// answers them itself, with UNIMPLEMENTED.
//
// Owner: gRPC's server. Thread: any. Bound: one pair of series for each such method.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "node/port/telemetry.h"

namespace aspen::adapter {

class UnservedMethods final : public ::grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `services`: full names. `served`: "/service/method" of what has figures of its own.
  UnservedMethods(Telemetry& telemetry, const std::vector<std::string>& services,
                  const std::set<std::string>& served);

  // Never intercepts: that the call began says all.
  ::grpc::experimental::Interceptor* CreateServerInterceptor(
      ::grpc::experimental::ServerRpcInfo* info) override;

 private:
  struct Counters {
    Counter* started;
    Counter* handled;
  };
  std::map<std::string, Counters, std::less<>> counters_;
};

}  // namespace aspen::adapter
