// How the RaftActor names its requests to the core: the table that a request stands in, and its
// number there.
#pragma once

#include <cstdint>

#include "node/raft/core.h"

namespace aspen::replica {

enum class RequestKind : std::uint8_t { own = 0, read = 1, foreign = 2, control = 3 };
inline constexpr unsigned request_kind_bits = 2;

inline raft::RequestId request_id(RequestKind kind, std::uint64_t number) {
  return raft::RequestId(number << request_kind_bits | static_cast<std::uint64_t>(kind));
}
inline RequestKind kind_of(raft::RequestId id) {
  return static_cast<RequestKind>(id.value & ((1U << request_kind_bits) - 1));
}
inline std::uint64_t number_of(raft::RequestId id) {
  return id.value >> request_kind_bits;
}

}  // namespace aspen::replica
