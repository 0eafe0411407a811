#include "node/adapter/posix/entropy.h"

#include <errno.h>
#include <sys/random.h>

#include "node/base/assert.h"

namespace aspen::adapter::posix {

void PosixEntropy::fill(std::span<std::byte> space) noexcept {
  while (!space.empty()) {
    const ssize_t got = getrandom(space.data(), space.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    // A kernel without getrandom cannot run the node, and weaker bits would break incarnations.
    ASPEN_ASSERT(got > 0);
    space = space.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace aspen::adapter::posix
