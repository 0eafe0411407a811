// The core's view of its log: the terms of all entries as runs, and the entries themselves only for
// the tail. It never reads a disk; what is below the tail is read by the driver.
//
// A value. Invariants: purged <= last; runs are ascending, cover (purged, last] without a gap and
// have growing terms; the tail is the newest part of the log.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "node/base/entry.h"
#include "node/base/ids.h"
#include "node/raft/core.h"
#include "node/raft/ring.h"

namespace aspen::raft {

class LogView {
 public:
  // Precondition: the runs are those of (purged, last].
  LogView(LogId purged, std::vector<TermRun> runs, Index last);

  [[nodiscard]] LogId purged() const noexcept { return purged_; }
  [[nodiscard]] LogId last() const noexcept;
  // The first entry held in memory; last + 1 if there is none.
  [[nodiscard]] Index tail_first() const noexcept { return last_ + 1 - tail_.size(); }
  [[nodiscard]] std::uint64_t tail_bytes() const noexcept { return tail_bytes_; }
  [[nodiscard]] const std::vector<TermRun>& runs() const noexcept { return runs_; }

  // Nothing for entries that are purged or not there; the purge point itself has its term.
  [[nodiscard]] std::optional<Term> term_at(Index index) const noexcept;
  // Precondition: tail_first <= index <= last.
  [[nodiscard]] const Entry& at(Index index) const noexcept;

  // Precondition: the entry follows the last one, its term is not lower.
  void append(Entry entry);
  // Drops `from` and all above. Precondition: purged < from <= last.
  void truncate(Index from) noexcept;
  // Lets go of payloads up to `through`, oldest first, until the tail holds at most bytes_max.
  void evict(Index through, std::uint64_t bytes_max) noexcept;
  // Forgets entries up to `through`. Precondition: purged <= through <= last.
  void purge(Index through) noexcept;

  // What a follower answers to an append whose `prev` it does not hold: its last entry, or the one
  // before its run of terms at prev (thesis 3.5: one step back per term). Precondition: as said.
  [[nodiscard]] LogId hint_for(Index prev) const noexcept;
  // The last position, at most hint.index, at which this log can agree with one that has
  // hint.term there. At least the purge point.
  [[nodiscard]] Index agreement_at_most(LogId hint) const noexcept;

  // The last entry of a batch that starts at `lo` within the tail: as many as fit into bytes_max,
  // at least one. Adds the batch's size to `bytes`.
  [[nodiscard]] Index batch_end(Index lo, std::uint64_t bytes_max,
                                std::uint64_t& bytes) const noexcept;
  // The entries lo..hi of the tail, sharing payloads. Empty if lo > hi.
  [[nodiscard]] std::vector<Entry> copy(Index lo, Index hi) const;

  void invariants() const noexcept;
  friend bool operator==(const LogView&, const LogView&) noexcept = default;

 private:
  // The run that holds `index`. Precondition: purged < index <= last.
  [[nodiscard]] const TermRun& run_at(Index index) const noexcept;

  LogId purged_;
  Index last_;
  std::vector<TermRun> runs_;
  Ring<Entry> tail_;
  std::uint64_t tail_bytes_ = 0;
};

}  // namespace aspen::raft
