// The one place where an Error becomes a gRPC status. Go clients rebuild typed errors from the
// exact text and retry by the code, so both are etcd's.
//
// Thread: pure functions.
#pragma once

#include <grpcpp/support/status.h>

#include "node/base/error.h"

namespace aspen::adapter {

// For etcd's services. A `what` that starts with "etcdserver:" is the text already; other errors
// get etcd's text of their code, or keep their own where etcd has none.
// Precondition: error.code is not ok.
[[nodiscard]] ::grpc::Status etcd_status(const Error& error);

// For aspen.v1: the same codes, except that an unknown outcome is UNKNOWN, so that no client takes
// it for a refusal; the text is the error's own.
// Precondition: error.code is not ok.
[[nodiscard]] ::grpc::Status aspen_status(const Error& error);

// For aspen.v1's changes of the membership: as above, and ABORTED if another configuration than the
// expected one is in force. Precondition: the error comes from such a change.
[[nodiscard]] ::grpc::Status change_status(const Error& error);

// For etcd's changes of the membership and MoveLeader: with etcd's texts where etcd has one.
// Preconditions: the error comes from such a change, or such a transfer.
[[nodiscard]] ::grpc::Status etcd_member_status(const Error& error);
[[nodiscard]] ::grpc::Status etcd_transfer_status(const Error& error);

using StatusOf = ::grpc::Status (*)(const Error&);

// The name of a status code as go-grpc's metrics have it: OK, InvalidArgument, ...
[[nodiscard]] const char* code_name(::grpc::StatusCode code) noexcept;
inline constexpr int status_codes = 17;

}  // namespace aspen::adapter
