// What the disk itself gives: the measure next to which any figure of a log or a database stands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/base/error.h"
#include "node/base/time.h"
#include "node/port/clock.h"
#include "node/port/file_system.h"

namespace aspen::bench {

struct SyncFigures {
  std::uint64_t count = 0;
  double per_second = 0;
  Duration p50{};
  Duration p99{};
};

// Of `latencies` taken in `elapsed`. Reorders them.
[[nodiscard]] SyncFigures sync_figures(std::vector<Duration>& latencies, Duration elapsed);
// One line: syncs per second, p50, p99 in microseconds.
[[nodiscard]] std::string to_text(const SyncFigures& figures);

struct FsyncBaseline {
  SyncFigures growing;    // each write makes the file longer
  SyncFigures prezeroed;  // each write overwrites zeros
};

// Writes 4 KiB and syncs, again and again, in files of `directory` that are removed afterwards.
// Takes two times `each`. Blocks. Possible errors: those of the file system.
[[nodiscard]] Result<FsyncBaseline> measure_fsync_baseline(FileSystem& files, const Clock& clock,
                                                           const std::string& directory,
                                                           Duration each);

}  // namespace aspen::bench
