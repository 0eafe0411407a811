// Raft messages as bytes. Format 1: a kind byte, then the message's fields as varints in the order
// of raft/message.h; an entry is its term, its kind and its payload, its index follows from its
// place. Encoding and decoding are inverse; what decodes is well-formed in the sense of
// raft/message.h. Pure.
#pragma once

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/raft/message.h"

namespace aspen::wire {

// Precondition: entries are contiguous after `prev` and within limits. One allocation.
[[nodiscard]] Bytes encode(const raft::Message& message);

// Payloads share the memory of `bytes`.
// Possible errors: invalid_argument (malformed, out of limits), unsupported (unknown kind).
[[nodiscard]] Result<raft::Message> decode_raft(const Bytes& bytes);

}  // namespace aspen::wire
