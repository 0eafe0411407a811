// The messages of a snapshot's transfer as bytes: a format byte, a kind byte, the fields in the
// order of snapshot/message.h. Encoding and decoding are inverse; what decodes is within the limits
// that snapshot/message.h names. Pure.
#pragma once

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/snapshot/message.h"

namespace aspen::wire {

// A piece's content is copied once. Precondition: within the limits.
[[nodiscard]] Bytes encode(const snapshot::Message& message);

// A piece's content shares the memory of `bytes`.
// Possible errors: invalid_argument (malformed, out of limits), unsupported (a newer format).
[[nodiscard]] Result<snapshot::Message> decode_snapshot(const Bytes& bytes);

}  // namespace aspen::wire
