#include "node/adapter/grpc/unserved_methods.h"

#include <google/protobuf/descriptor.h>

#include "node/adapter/grpc/method_metrics.h"
#include "node/base/assert.h"

namespace aspen::adapter {

UnservedMethods::UnservedMethods(Telemetry& telemetry, const std::vector<std::string>& services,
                                 const std::set<std::string>& served) {
  for (const std::string& name : services) {
    const auto* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    ASPEN_ASSERT(service != nullptr);
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodName method{name, service->method(i)->name()};
      if (served.contains(path_of(method))) continue;
      counters_[path_of(method)] = {
          &started_counter(telemetry, method),
          &handled_counter(telemetry, method, ::grpc::StatusCode::UNIMPLEMENTED)};
    }
  }
}

::grpc::experimental::Interceptor* UnservedMethods::CreateServerInterceptor(
    ::grpc::experimental::ServerRpcInfo* info) {
  const auto found = counters_.find(std::string_view(info->method()));
  if (found != counters_.end()) {
    found->second.started->add(1);
    found->second.handled->add(1);
  }
  return nullptr;
}

}  // namespace aspen::adapter
