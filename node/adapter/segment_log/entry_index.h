// Where the log's entries stand, and which terms they have: the part of the log that is kept in
// memory. One reference of 32 bytes per record, and every configuration entry; purging and
// truncating give the memory back.
//
// A plain value, not thread-safe; the segment log guards it with its mutex.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "node/base/entry.h"
#include "node/base/ids.h"
#include "node/port/log_store.h"

namespace aspen::adapter::segment_log {

struct RecordPlace {
  std::uint64_t generation = 0;
  std::uint32_t offset = 0;  // a segment is smaller than 4 GiB
  std::uint32_t bytes = 0;
};

// Invariant: count > 0.
struct BatchRef {
  Index first;
  std::uint32_t count = 0;       // of entries that are still in force; the record may hold more
  std::uint32_t size_bytes = 0;  // of those (Entry::size_bytes), or less
  RecordPlace place;
  [[nodiscard]] Index last() const noexcept { return first + (count - 1); }
};
static_assert(sizeof(BatchRef) == 32, "the memory that a record costs");

// Invariants: refs are contiguous from some index at most purged + 1 to last, with places that
// ascend; runs cover (purged, last] with terms that ascend.
class EntryIndex {
 public:
  // An empty log whose next entry is `next`, with nothing known about what was before.
  explicit EntryIndex(Index next) noexcept : last_(next - 1), floor_(next - 1) {}

  // Drops `from` and all above. Precondition: purged().index < from <= last() + 1. Below floor(),
  // which happens only while purged entries are replayed, the log is empty afterwards.
  void truncate(Index from);
  // Precondition: entries follow last() and their terms do not fall.
  void append(std::span<const Entry> entries, RecordPlace place);
  // Forgets everything: an empty log behind a snapshot.
  void reset(LogReset reset);
  // Forgets what is at or below `through`, but for the last configuration there. Precondition:
  // floor() <= through <= last().
  void purge(LogId through);
  // What a purge mark says about the configuration in force at the purge point.
  void set_config_at_purge(std::optional<Entry> config) { config_at_purge_ = std::move(config); }

  [[nodiscard]] Index last() const noexcept { return last_; }
  [[nodiscard]] LogId purged() const noexcept { return purged_; }
  // Entries above it are here.
  [[nodiscard]] Index floor() const noexcept { return floor_; }
  // Precondition: floor() < index <= last(), or index is the purge point's.
  [[nodiscard]] Term term_at(Index index) const noexcept;
  // The number of the record that holds `index`, if one does; numbers count from 0 up to size().
  [[nodiscard]] std::optional<std::size_t> find(Index index) const noexcept;
  [[nodiscard]] const BatchRef& at(std::size_t number) const noexcept { return refs_[number]; }
  [[nodiscard]] std::size_t size() const noexcept { return refs_.size(); }
  // The highest index in segments up to `generation`; floor() if they hold none.
  [[nodiscard]] Index last_in(std::uint64_t generation) const noexcept;

  [[nodiscard]] const std::vector<LogTermRun>& runs() const noexcept { return runs_; }
  [[nodiscard]] const std::vector<Entry>& configs() const noexcept { return configs_; }
  [[nodiscard]] const std::optional<Entry>& config_at_purge() const noexcept {
    return config_at_purge_;
  }

 private:
  std::deque<BatchRef> refs_;
  std::vector<LogTermRun> runs_;
  std::vector<Entry> configs_;
  std::optional<Entry> config_at_purge_;
  LogId purged_;
  Index last_;
  Index floor_;
};

}  // namespace aspen::adapter::segment_log
