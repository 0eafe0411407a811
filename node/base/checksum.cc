#include "node/base/checksum.h"

#include <xxhash.h>

namespace aspen {

std::uint64_t checksum64(const void* bytes, std::size_t size_bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes, size_bytes, seed);
}

}  // namespace aspen
