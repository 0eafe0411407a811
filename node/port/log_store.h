// The durable log of one replica: entries, hard state and the purge mark in one ordered stream.
// What was appended becomes durable in the order of the calls: a crash leaves what was synced, and
// a prefix of the calls since. Of the last of these a part may be left, if it is larger than a
// record of the store (limits::log_record_bytes_max; less where a segment is smaller than that):
// its truncation and hard state with the first of its entries.
//
// Owner: the log writer calls append, sync and purge, one call at a time; read may be called from
// any thread at the same time. Every implementation passes tests/contract/log_store.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/base/entry.h"
#include "node/base/error.h"
#include "node/base/ids.h"

namespace aspen {

// The log gives way to a snapshot: all of it is dropped, and goes on behind `purged`.
struct LogReset {
  LogId purged;
  std::optional<Entry> config;  // in force there
  friend bool operator==(const LogReset&, const LogReset&) noexcept = default;
};

struct LogBatch {
  std::optional<Index> truncate_from;  // drop this index and all above it, first
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;  // contiguous, after what is left
  // Before all else; nothing is left to truncate then. The hard state stays, unless a new one is
  // given. Precondition: it does not lie below the purge point.
  std::optional<LogReset> reset = std::nullopt;
};

struct LogTermRun {
  Index from;
  Term term;
  friend bool operator==(const LogTermRun&, const LogTermRun&) noexcept = default;
};

// What a store holds after it was opened.
struct LogRecovered {
  HardState hard_state;
  LogId purged;                       // 0 if nothing was purged
  std::vector<LogTermRun> runs;       // of (purged, last]
  Index last;                         // purged.index if the log is empty
  std::vector<Entry> config_entries;  // every entry of kind config in (purged, last], ascending
  // Config as of the purge point, copied forward by purge() or given by a reset; empty if there was
  // none.
  std::optional<Entry> config_at_purge;
};

// Where a log was found damaged, for the message that the process ends with.
struct LogDamage {
  std::string file;  // a path, or the directory
  std::uint64_t offset = 0;
  const char* what = "";
};

// One line, without a full stop.
[[nodiscard]] inline std::string describe(const LogDamage& damage) {
  return "the log is damaged: " + damage.file + " at byte " + std::to_string(damage.offset) + ": " +
         damage.what + "; this member must be replaced";
}

class LogStore {
 public:
  virtual ~LogStore() = default;

  // As of the time it was opened.
  [[nodiscard]] virtual const LogRecovered& recovered() const = 0;

  // Writes a batch behind all former ones; not yet durable. Either all of it is written or none.
  // Possible errors: no_space (nothing was written, reads and batches without entries still work:
  // a segment is held in reserve for those), io_error (the store is poisoned: end the process).
  [[nodiscard]] virtual Result<void> append(const LogBatch& batch) = 0;

  // Makes all appended batches durable, then calls `done` once: from inside the call or later, on
  // the thread of the caller or on the store's own. Possible errors: io_error, and then the store
  // is poisoned; a failed sync is never retried.
  virtual void sync(std::function<void(Result<void>)> done) = 0;

  // Entries lo..hi, as many as fit into bytes_max (Entry::size_bytes), at least one.
  // Precondition: lo <= hi. Possible errors: not_found (not in the log, or purged meanwhile);
  // corrupt and io_error (the process must end; damage() says where, if the store knows).
  [[nodiscard]] virtual Result<std::vector<Entry>> read(Index lo, Index hi,
                                                        std::uint64_t bytes_max) const = 0;

  // Entries up to `through` may go; takes effect as whole segments can be recycled.
  // Precondition: through is durable. Possible errors: no_space, io_error.
  [[nodiscard]] virtual Result<void> purge(Index through) = 0;

  // What read() found damaged or unreadable first. Any thread.
  [[nodiscard]] virtual std::optional<LogDamage> damage() const { return std::nullopt; }

  // The lowest index that leaves at most bytes_max when purged, or as few as purging can; the purge
  // point if nothing has to go. Any thread.
  [[nodiscard]] virtual Index purge_for(std::uint64_t bytes_max) const {
    static_cast<void>(bytes_max);
    return {};
  }

  // The last index appended, durable or not.
  [[nodiscard]] virtual Index last() const = 0;
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;
  // About how many bytes of entries append() still takes when the disk has no room for more. A
  // store that makes no provision for that does not know a limit either.
  [[nodiscard]] virtual std::uint64_t room_bytes() const { return UINT64_MAX; }
};

}  // namespace aspen
