// What a request must satisfy by itself, whatever the store holds: checked by whoever accepts it,
// before it is proposed or executed. Order of the checks and rules of the duplicate-key check are
// etcd's (v3rpc). Pure functions.
#pragma once

#include <cstddef>

#include "node/base/error.h"
#include "node/kv/request.h"

namespace aspen::kv {

// Possible errors: invalid_argument with one of the texts of errors.h. Within one path that a
// transaction may take, no key may be put twice, nor be put and lie in a delete range; an
// interval up to the end of the key space (range_end of one zero byte) is not seen by this check,
// as in etcd.
[[nodiscard]] Result<void> validate(const RangeRequest& request);
[[nodiscard]] Result<void> validate(const PutRequest& request);
[[nodiscard]] Result<void> validate(const DeleteRangeRequest& request);
[[nodiscard]] Result<void> validate(const TxnRequest& request);
[[nodiscard]] Result<void> validate(const CompactRequest& request);
[[nodiscard]] Result<void> validate(const Request& request);

// The size of a request in etcd's encoding.
[[nodiscard]] std::size_t etcd_size_bytes(const Request& request);
// That size and etcd's envelope against limits::request_bytes_max, of requests that are proposed;
// reads have no such limit. etcd looks at it last. Possible errors: request_too_large.
[[nodiscard]] Result<void> validate_size(const Request& request);

// Holds ranges only (no nested transaction, as in etcd): it is served as a read, not proposed.
[[nodiscard]] bool is_read_only(const TxnRequest& request) noexcept;
// All of its operations are serializable ranges: a read-only transaction of this kind may be
// answered from local state.
[[nodiscard]] bool is_serializable(const TxnRequest& request) noexcept;

}  // namespace aspen::kv
