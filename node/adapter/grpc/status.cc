#include "node/adapter/grpc/status.h"

#include <array>
#include <string_view>

#include "node/base/assert.h"
#include "node/wire/control_codec.h"

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

namespace {

// In a change's error a Refusal is a detail of these codes alone.
raft::Refusal refusal_of(const Error& error) {
  const bool has_one =
      error.code == Code::failed_precondition || error.code == Code::invalid_argument;
  if (!has_one || error.detail > static_cast<std::uint64_t>(raft::Refusal::no_target)) {
    return raft::Refusal::none;
  }
  return static_cast<raft::Refusal>(error.detail);
}

}  // namespace

::grpc::Status change_status(const Error& error) {
  const ::grpc::Status status = aspen_status(error);
  if (refusal_of(error) != raft::Refusal::stale_expect) return status;
  return {StatusCode::ABORTED, status.error_message()};
}

::grpc::Status etcd_member_status(const Error& error) {
  using wire::Objection;
  const raft::Refusal refusal = refusal_of(error);
  const auto is = [&error](Objection objection) { return error == wire::error_of(objection); };
  if (error.code == Code::not_found) {
    return {StatusCode::NOT_FOUND, "etcdserver: member not found"};
  }
  if (refusal == raft::Refusal::not_caught_up) {
    return {StatusCode::FAILED_PRECONDITION,
            "etcdserver: can only promote a learner member which is in sync with leader"};
  }
  if (is(Objection::not_learner)) {
    return {StatusCode::FAILED_PRECONDITION, "etcdserver: can only promote a learner member"};
  }
  if (is(Objection::address_taken)) {
    return {StatusCode::FAILED_PRECONDITION, "etcdserver: Peer URLs already exists"};
  }
  if (is(Objection::bad_member) || is(Objection::self)) {
    return {StatusCode::INVALID_ARGUMENT, "etcdserver: given member URLs are invalid"};
  }
  if (is(Objection::last_voter) || refusal == raft::Refusal::no_voter) {
    return {StatusCode::FAILED_PRECONDITION,
            "etcdserver: re-configuration failed due to not enough started members"};
  }
  if (refusal == raft::Refusal::too_many_members) {
    return {StatusCode::FAILED_PRECONDITION, "etcdserver: too many learner members in cluster"};
  }
  return etcd_status(error);
}

::grpc::Status etcd_transfer_status(const Error& error) {
  const bool no_target = refusal_of(error) == raft::Refusal::no_target;
  if (no_target || error.code == Code::not_found) {
    return {StatusCode::FAILED_PRECONDITION, "etcdserver: bad leader transferee"};
  }
  return etcd_status(error);
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
