// Reads a log's directory and tells what it holds, what is torn and what is damaged. Inner header
// of the segment log; runs once, before the log has any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "node/adapter/segment_log/entry_index.h"
#include "node/adapter/segment_log/segment_log.h"

namespace aspen::adapter::segment_log {

struct Recovery {
  EntryIndex index{Index(1)};
  HardState hard_state;
  std::vector<LiveSegment> segments;  // empty: there is no log
  std::uint64_t tail = 0;             // end of the last record, in the newest segment
  std::uint64_t chain = 0;
  std::vector<std::string> obsolete;  // segments that a purge had left
  std::vector<std::string> spares;    // files of the pool
};

// Everything found is durable when it returns, and nothing that could be taken for a record stands
// behind the tail. Possible errors: those of SegmentLog::open.
[[nodiscard]] Result<Recovery> recover(FileSystem& files, const SegmentLogOptions& options,
                                       LogDamage& damage);

[[nodiscard]] std::string segment_name(std::uint64_t generation);

}  // namespace aspen::adapter::segment_log
