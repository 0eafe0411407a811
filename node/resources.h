// What the machine or the container gives this process.
#pragma once

#include <cstdint>
#include <string>

namespace aspen {

// The smallest memory limit of this process's cgroup (v2 or v1) and of those above it, below `root`
// if there is one, otherwise half of the machine's memory. `root` is "/" but for tests.
[[nodiscard]] std::uint64_t memory_limit_bytes(const std::string& root);

}  // namespace aspen
