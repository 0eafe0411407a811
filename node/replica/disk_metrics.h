// Series of the replica's disk, known from the start of the node on; its actors count into them
// once they run.
#pragma once

#include "node/port/telemetry.h"

namespace aspen::replica {

[[nodiscard]] inline Histogram& fsync_seconds_of(Telemetry& telemetry) {
  return telemetry.histogram({"aspen_wal_fsync_seconds", "Time of one fsync of the Raft log.", {}},
                             Buckets::disk_seconds);
}
[[nodiscard]] inline Gauge& log_bytes_of(Telemetry& telemetry) {
  return telemetry.gauge({"aspen_log_size_bytes", "Bytes of the Raft log on disk.", {}});
}
[[nodiscard]] inline Histogram& apply_seconds_of(Telemetry& telemetry) {
  return telemetry.histogram({"aspen_apply_seconds", "Time of applying one batch of entries.", {}},
                             Buckets::request_seconds);
}

}  // namespace aspen::replica
