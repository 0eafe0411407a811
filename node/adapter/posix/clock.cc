#include "node/adapter/posix/clock.h"

#include <time.h>

#include "node/base/assert.h"

namespace aspen::adapter::posix {
namespace {

std::int64_t read_clock(clockid_t id) noexcept {
  timespec at{};
  const int failed = clock_gettime(id, &at);
  ASPEN_ASSERT(failed == 0);
  return at.tv_sec * 1'000'000'000 + at.tv_nsec;
}

}  // namespace

Instant PosixClock::now() const noexcept {
  return Instant{read_clock(CLOCK_MONOTONIC)};
}
WallTime PosixClock::wall() const noexcept {
  return WallTime{read_clock(CLOCK_REALTIME)};
}

}  // namespace aspen::adapter::posix
