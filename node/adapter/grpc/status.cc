#include "node/adapter/grpc/status.h"

#include <array>
#include <string_view>

#include "node/base/assert.h"

namespace aspen::adapter {
namespace {

using ::grpc::StatusCode;

struct Mapping {
  StatusCode code;
  const char* text;  // etcd's; null if etcd has none for it
};

constexpr const char* request_timed_out = "etcdserver: request timed out";

Mapping mapping_of(Code code) {
  switch (code) {
    case Code::ok:
      break;
    case Code::invalid_argument:
      return {StatusCode::INVALID_ARGUMENT, nullptr};
    case Code::not_leader:
      return {StatusCode::FAILED_PRECONDITION, "etcdserver: not leader"};
    case Code::no_leader:
      return {StatusCode::UNAVAILABLE, "etcdserver: no leader"};
    case Code::overloaded:
      return {StatusCode::RESOURCE_EXHAUSTED, "etcdserver: too many requests"};
    case Code::no_space:
      return {StatusCode::RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"};
    case Code::shutting_down:
      return {StatusCode::UNAVAILABLE, "etcdserver: server stopped"};
    case Code::unauthenticated:
      return {StatusCode::UNAUTHENTICATED, "etcdserver: invalid auth token"};
    case Code::wrong_cluster:
      return {StatusCode::FAILED_PRECONDITION, "etcdserver: cluster ID mismatch"};
    case Code::wrong_incarnation:
    case Code::already_initialised:
      return {StatusCode::FAILED_PRECONDITION, nullptr};
    case Code::uninitialised:
      return {StatusCode::FAILED_PRECONDITION,
              "aspen: this node has no cluster yet, run `aspenctl cluster init`"};
    case Code::unavailable:
      return {StatusCode::UNAVAILABLE, nullptr};
    case Code::unsupported:
      return {StatusCode::UNIMPLEMENTED, nullptr};
    case Code::overwritten:
      return {StatusCode::UNAVAILABLE, "etcdserver: leader changed"};
    case Code::cancelled:
      return {StatusCode::CANCELLED, "etcdserver: request canceled"};
    case Code::deadline_before_send:
    case Code::timed_out:
      return {StatusCode::UNAVAILABLE, request_timed_out};
    case Code::leader_lost:
      return {StatusCode::UNAVAILABLE,
              "etcdserver: request timed out, possibly due to previous leader failure"};
    case Code::connection_lost:
      return {StatusCode::UNAVAILABLE,
              "etcdserver: request timed out, possibly due to connection lost"};
    case Code::not_found:
      return {StatusCode::NOT_FOUND, nullptr};
    case Code::already_exists:
    case Code::failed_precondition:
      return {StatusCode::FAILED_PRECONDITION, nullptr};
    case Code::compacted:
      return {StatusCode::OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"};
    case Code::future_revision:
      return {StatusCode::OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"};
    case Code::permission_denied:
      return {StatusCode::PERMISSION_DENIED, "etcdserver: permission denied"};
    case Code::io_error:
      return {StatusCode::UNKNOWN, nullptr};
    case Code::corrupt:
      return {StatusCode::DATA_LOSS, "etcdserver: corrupt cluster"};
  }
  ASPEN_UNREACHABLE();
}

}  // namespace

::grpc::Status etcd_status(const Error& error) {
  const Mapping mapping = mapping_of(error.code);
  const std::string_view what(error.what);
  if (what.starts_with("etcdserver: ")) return {mapping.code, error.what};
  if (mapping.text != nullptr) return {mapping.code, mapping.text};
  return {mapping.code, what.empty() ? to_string(error.code) : error.what};
}

::grpc::Status aspen_status(const Error& error) {
  const Mapping mapping = mapping_of(error.code);
  const StatusCode code = outcome_unknown(error.code) ? StatusCode::UNKNOWN : mapping.code;
  const std::string_view what(error.what);
  if (!what.empty()) return {code, error.what};
  return {code, mapping.text != nullptr ? mapping.text : to_string(error.code)};
}

const char* code_name(::grpc::StatusCode code) noexcept {
  static constexpr std::array<const char*, status_codes> names{
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  const auto index = static_cast<std::size_t>(code);
  return index < names.size() ? names[index] : "Unknown";
}

}  // namespace aspen::adapter
