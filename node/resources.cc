#include "node/resources.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>

namespace aspen {

namespace {

// A number alone in a file; nothing if it says "max" or cannot be read.
std::optional<std::uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

std::uint64_t physical_bytes() {
  const auto pages = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES));
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::uint64_t memory_limit_bytes(const std::string& root) {
  const std::uint64_t physical = physical_bytes();
  for (const char* path :
       {"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const std::optional<std::uint64_t> limit = read_number(root + path);
    // Version 1 says "no limit" by an absurd number.
    if (limit && *limit > 0 && *limit < physical) return *limit;
  }
  return physical / 2;
}

}  // namespace aspen
