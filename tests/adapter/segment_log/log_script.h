// A random but repeatable life of a log, and the record of what it was promised: the states after
// each batch, and how many of them are acknowledged. Used to cut a log's operations anywhere and to
// judge what recovery finds.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "node/adapter/segment_log/segment_log.h"
#include "node/base/prng.h"

namespace aspen::adapter::segment_log {

// A log that is never purged, as a value.
struct LogState {
  HardState hard_state;
  LogReset base;               // the last reset; 0 if there was none
  std::vector<Entry> entries;  // behind it

  [[nodiscard]] Index last() const { return base.purged.index + entries.size(); }
  void apply(const LogBatch& batch);
};

class LogScript {
 public:
  explicit LogScript(std::uint64_t seed) : prng_(seed) {}

  // One operation, drawn at random: one to three appends and a sync, or a purge. False if the log
  // answered with io_error. What it answers no_space to has not happened.
  [[nodiscard]] bool step(SegmentLog& log);

  // Compares what was recovered with the promises: it must be the state after some prefix of the
  // batches that has all the acknowledged ones. From here on it counts as acknowledged.
  void check_recovered(const SegmentLog& log);
  // The same, if nothing was appended since the last acknowledgement.
  void check_exact(const SegmentLog& log);

  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  [[nodiscard]] LogBatch random_batch();
  [[nodiscard]] bool append_and_sync(SegmentLog& log);
  [[nodiscard]] bool matches(const SegmentLog& log, const LogState& state) const;

  Prng prng_;
  std::vector<LogState> states_{LogState{}};  // [0] is acknowledged, each later one may be there
  Index floor_;  // of purges asked for, and of resets: nothing truncates below
  std::uint64_t refused_ = 0;
};

}  // namespace aspen::adapter::segment_log
