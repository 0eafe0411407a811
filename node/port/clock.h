// The only source of time. Production reads the machine's clocks; a simulator's clock moves when
// the simulator says so.
//
// Owner: the assembly; it outlives its users. Any thread may call; nothing blocks or allocates.
#pragma once

#include "node/base/time.h"

namespace aspen {

class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back.
  [[nodiscard]] virtual Instant now() const noexcept = 0;
  // May jump in both directions.
  [[nodiscard]] virtual WallTime wall() const noexcept = 0;
};

}  // namespace aspen
