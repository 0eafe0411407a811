// The machine's clock, for tests with real threads.
#pragma once

#include <chrono>

#include "node/port/clock.h"

namespace aspen::actor {

class SteadyClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const noexcept override {
    return Instant{std::chrono::steady_clock::now().time_since_epoch().count()};
  }
  [[nodiscard]] WallTime wall() const noexcept override { return WallTime{now().ns}; }
};

}  // namespace aspen::actor
