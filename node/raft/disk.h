// What the core knows about its own disk: which writes were issued, which are durable, and up to
// where the log would survive a crash. Truncation lowers that mark when it is decided and not when
// it completes, so a write in flight can never prove entries that were replaced meanwhile.
//
// A value. Bound: limits::log_io_in_flight_max writes between two completions.
#pragma once

#include "node/base/ids.h"
#include "node/raft/core.h"
#include "node/raft/ring.h"

namespace aspen::raft {

class Disk {
 public:
  // A write that is not durable yet, and what it proves when it is.
  struct Record {
    IoId io;
    Index last;
    friend bool operator==(const Record&, const Record&) noexcept = default;
  };

  // Everything up to `last` was recovered, hence durable.
  explicit Disk(Index last) noexcept : written_(last), stable_(last) {}

  // The last entry that is durable in its place.
  [[nodiscard]] Index stable() const noexcept { return stable_; }
  // The last entry that a write was issued for.
  [[nodiscard]] Index written() const noexcept { return written_; }
  [[nodiscard]] IoId issued() const noexcept { return issued_; }
  [[nodiscard]] IoId durable() const noexcept { return durable_; }
  [[nodiscard]] IoId next() const noexcept { return IoId(issued_.value + 1); }
  [[nodiscard]] const Ring<Record>& in_flight() const noexcept { return records_; }

  // A write has to wait: as many as may be are in flight. What it holds gathers meanwhile.
  [[nodiscard]] bool full() const noexcept;
  // The next write brings the log on disk up to `last`. Precondition: last >= written(), not full.
  IoId issue(Index last);
  // Entries from `from` on are gone from the log. True if some of them were written before.
  bool truncate(Index from) noexcept;
  // The whole log is replaced by a snapshot that is durable itself; what is in flight proves
  // nothing.
  void reset(Index through) noexcept;
  // All writes up to `io` are durable. Precondition: io <= issued(). Repetitions are harmless.
  void complete(IoId io) noexcept;

  friend bool operator==(const Disk&, const Disk&) noexcept = default;

 private:
  IoId issued_;
  IoId durable_;
  Index written_;
  Index stable_;
  Ring<Record> records_;  // ascending by id
};

}  // namespace aspen::raft
