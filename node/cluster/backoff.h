// How long to wait before the next attempt: twice as long after each failure, up to a bound, drawn
// from the upper half so that two nodes do not stay in step. A value.
#pragma once

#include <algorithm>
#include <cstdint>

#include "node/base/assert.h"
#include "node/base/prng.h"
#include "node/base/time.h"

namespace aspen::cluster {

struct BackoffOptions {
  Duration min = std::chrono::milliseconds(50);
  Duration max = std::chrono::seconds(2);
};

class Backoff {
 public:
  Backoff() noexcept = default;
  explicit Backoff(BackoffOptions options) noexcept : options_(options) {
    ASPEN_ASSERT(options.min > Duration::zero());
    ASPEN_ASSERT(options.min <= options.max);
  }

  // The wait after one more failure.
  [[nodiscard]] Duration next(Prng& prng) noexcept {
    const Duration full = std::min(options_.max, options_.min * (std::int64_t{1} << failures_));
    if (failures_ < failures_max) ++failures_;
    const auto half = static_cast<std::uint64_t>(full.count() / 2);
    return Duration(
        static_cast<std::int64_t>(prng.between(half, static_cast<std::uint64_t>(full.count()))));
  }
  void reset() noexcept { failures_ = 0; }
  [[nodiscard]] std::uint32_t failures() const noexcept { return failures_; }

 private:
  // Enough to reach any sensible bound, and far from an overflow.
  static constexpr std::uint32_t failures_max = 20;

  BackoffOptions options_;
  std::uint32_t failures_ = 0;
};

}  // namespace aspen::cluster
