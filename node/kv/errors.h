// The errors of the key-value store, with etcd's texts to the letter: clients rebuild typed errors
// from the text. The gRPC code follows from the Code alone: invalid_argument is InvalidArgument,
// not_found NotFound, failed_precondition FailedPrecondition, compacted and future_revision
// OutOfRange, no_space and overloaded ResourceExhausted.
#pragma once

#include "node/base/error.h"

namespace aspen::kv::errors {

inline constexpr Error empty_key{Code::invalid_argument, "etcdserver: key is not provided"};
// ignore_value or ignore_lease on an absent key, and an operation that names nothing.
inline constexpr Error key_not_found{Code::invalid_argument, "etcdserver: key not found"};
inline constexpr Error value_provided{Code::invalid_argument, "etcdserver: value is provided"};
inline constexpr Error lease_provided{Code::invalid_argument, "etcdserver: lease is provided"};
inline constexpr Error too_many_operations{Code::invalid_argument,
                                           "etcdserver: too many operations in txn request"};
inline constexpr Error duplicate_key{Code::invalid_argument,
                                     "etcdserver: duplicate key given in txn request"};
inline constexpr Error invalid_sort_option{Code::invalid_argument,
                                           "etcdserver: invalid sort option"};
inline constexpr Error request_too_large{Code::invalid_argument,
                                         "etcdserver: request is too large"};

inline constexpr Error compacted{Code::compacted,
                                 "etcdserver: mvcc: required revision has been compacted"};
inline constexpr Error future_revision{Code::future_revision,
                                       "etcdserver: mvcc: required revision is a future revision"};
inline constexpr Error lease_not_found{Code::not_found, "etcdserver: requested lease not found"};
inline constexpr Error no_space{Code::no_space, "etcdserver: mvcc: database space exceeded"};

// Not etcd's: it has no bound here and would run out of memory.
inline constexpr Error response_too_large{
    Code::overloaded, "etcdserver: response is too large, ask for fewer keys with a limit"};
inline constexpr Error change_too_large{
    Code::overloaded, "etcdserver: change is too large, delete the range in smaller parts"};

}  // namespace aspen::kv::errors
