// The machine's clocks. Any thread; no state.
#pragma once

#include "node/port/clock.h"

namespace aspen::adapter::posix {

class PosixClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const noexcept override;
  [[nodiscard]] WallTime wall() const noexcept override;
};

}  // namespace aspen::adapter::posix
