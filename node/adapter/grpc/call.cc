#include "node/adapter/grpc/call.h"

#include <grpc/support/time.h>

#include <algorithm>

namespace aspen::adapter {

gateway::Deadline deadline_of(const ::grpc::CallbackServerContext& context,
                              const Frontend& frontend) {
  gateway::Deadline deadline = frontend.service.default_deadline();
  const gpr_timespec asked = context.raw_deadline();
  if (gpr_time_cmp(asked, gpr_inf_future(asked.clock_type)) == 0) return deadline;
  const gpr_timespec left = gpr_time_sub(gpr_convert_clock_type(asked, GPR_CLOCK_MONOTONIC),
                                         gpr_now(GPR_CLOCK_MONOTONIC));
  constexpr std::int64_t seconds_max = 24 * 3600;  // keeps the product below from overflowing
  const std::int64_t seconds = std::clamp(left.tv_sec, -seconds_max, seconds_max);
  const Duration wait = std::chrono::seconds(seconds) + std::chrono::nanoseconds(left.tv_nsec);
  deadline.at = std::min(deadline.at, frontend.clock.now() + wait);
  return deadline;
}

bool requires_leader(const ::grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("hasleader");
  return found != metadata.end() && found->second == "true";
}

MethodMetrics serving(Frontend& frontend, const MethodName& name) {
  frontend.served.insert(path_of(name));
  return {frontend.telemetry, name};
}

void set_header(const gateway::Header& header, etcdserverpb::ResponseHeader& out) {
  out.set_cluster_id(header.cluster.value);
  out.set_member_id(header.member.value);
  out.set_revision(header.revision);
  out.set_raft_term(header.term.value);
}

}  // namespace aspen::adapter
