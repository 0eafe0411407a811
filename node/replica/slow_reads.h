// When a read counts as slow, wherever the time went: waiting for its read index and for the state
// to catch up, or being executed. Two actors count into one series.
#pragma once

#include "node/base/time.h"
#include "node/port/telemetry.h"

namespace aspen::replica {

inline constexpr Duration slow_read = std::chrono::milliseconds(100);

[[nodiscard]] inline Counter& slow_reads_of(Telemetry& telemetry) {
  return telemetry.counter({"aspen_slow_reads_total",
                            "Reads that took more than 100 ms, waiting or being executed.",
                            {}});
}

}  // namespace aspen::replica
