// What a read that waits holds in memory.
#pragma once

#include <cstdint>

#include "node/replica/messages.h"

namespace aspen::replica {

// Keys and values of the request; recursion is as deep as kv::validate() admits.
[[nodiscard]] std::uint64_t size_bytes(const ReadOperation& operation);

}  // namespace aspen::replica
