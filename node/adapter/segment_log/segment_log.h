// The log of one replica in segments: files of a fixed size, written once from front to back,
// prezeroed in the background and recycled after a purge, so that a sync of appended records
// changes no metadata. One stream of chained, checksummed records holds entries, hard state,
// truncations and purge marks in the order of the calls (format.h).
//
// Recovery verifies the whole chain. What follows the last intact record is either torn, i.e. part
// of the writes after the last sync, and is dropped silently; or damage, when anything shows that
// it had been synced: a later record or hint that says so, or a later segment. Damage and loss of
// what was acknowledged are never repaired here (rule P13).
// The one blind spot: when the last sync's records are damaged together with the hint behind them,
// or the machine lost power before that hint reached the disk, damage looks like a torn tail. What
// the state machine has applied tells: it must not be ahead of last().
//
// Owner and thread: as node/port/log_store.h says; append, sync and purge come from one thread (a
// log writer's own, as they block), read, last, size_bytes and damage from any. sync calls `done`
// inside the call. A thread of the log prepares files. Bounds: the log section of base/limits.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "node/adapter/segment_log/entry_index.h"
#include "node/adapter/segment_log/format.h"
#include "node/adapter/segment_log/segment_pool.h"
#include "node/base/limits.h"
#include "node/port/file_system.h"
#include "node/port/log_store.h"

namespace aspen::adapter::segment_log {

// A log that is missing although there must be one is damage.
enum class Creation : std::uint8_t { if_absent, never };

using aspen::describe;
using aspen::LogDamage;

struct SegmentLogOptions {
  std::string directory;  // created if it does not exist
  ClusterId cluster;
  PeerId self;
  GroupId group = the_group;
  // Of new segments. An entry must fit; from 16 MiB on each does.
  std::uint64_t segment_bytes = limits::log_segment_bytes_default;
  // Left free on the file system: entries are refused before the state store runs out of space.
  std::uint64_t keep_free_bytes = 0;
  Creation creation = Creation::if_absent;
  Preparation preparation = Preparation::background;
};

// An open segment. Only the file's content changes.
struct LiveSegment {
  std::uint64_t generation = 0;
  std::shared_ptr<File> file;
  std::uint64_t segment_bytes = 0;
};

struct Recovery;

class SegmentLog final : public LogStore {
 public:
  // Recovers what the directory holds, makes it durable and begins an empty log if there is none.
  // Blocks while it reads all segments. Possible errors: corrupt (with `damage` filled in),
  // unsupported (newer format), wrong_cluster, wrong_incarnation, no_space (no first segment),
  // io_error, invalid_argument (segment_bytes).
  [[nodiscard]] static Result<std::unique_ptr<SegmentLog>> open(FileSystem& files,
                                                                SegmentLogOptions options,
                                                                LogDamage* damage = nullptr);
  SegmentLog(const SegmentLog&) = delete;
  SegmentLog& operator=(const SegmentLog&) = delete;
  ~SegmentLog() override;

  [[nodiscard]] const LogRecovered& recovered() const override { return recovered_; }
  [[nodiscard]] Result<void> append(const LogBatch& batch) override;
  void sync(std::function<void(Result<void>)> done) override;
  [[nodiscard]] Result<std::vector<Entry>> read(Index lo, Index hi,
                                                std::uint64_t bytes_max) const override;
  [[nodiscard]] Result<void> purge(Index through) override;
  [[nodiscard]] Index purge_for(std::uint64_t bytes_max) const override;
  [[nodiscard]] std::optional<LogDamage> damage() const override;
  [[nodiscard]] Index last() const override;
  [[nodiscard]] std::uint64_t size_bytes() const override;
  [[nodiscard]] std::uint64_t room_bytes() const override;

 private:
  struct Chunk;
  struct Plan;
  struct ReadRun;

  SegmentLog(FileSystem& files, SegmentLogOptions options, Recovery recovery);

  [[nodiscard]] Result<void> start(const std::vector<std::string>& spares);
  [[nodiscard]] Plan plan(const LogBatch& batch) const;
  // Precondition: the batch goes on behind `before`.
  [[nodiscard]] Result<void> append_planned(const LogBatch& batch, Index before);
  [[nodiscard]] Result<void> append_chunk(const LogBatch& state, const Chunk& chunk);
  [[nodiscard]] Result<void> write_record(const EncodedRecord& record);
  [[nodiscard]] Result<void> begin_segment(Spare spare);
  void write_hint(const LiveSegment& segment, std::uint64_t successor);
  [[nodiscard]] Result<void> sync_now();
  // Gives the oldest segments back. Precondition: recovery can do without them, durably.
  void release(std::size_t count);
  [[nodiscard]] Result<void> write_mark(const MarkBody& mark);
  [[nodiscard]] RecordHeader next_header(RecordKind kind) const;
  [[nodiscard]] Result<void> check() const;
  // Remembers that the store is unusable. Gives `error` back as io_error.
  tl::unexpected<Error> poison(Error error);

  [[nodiscard]] Result<std::vector<ReadRun>> plan_read(Index lo, Index hi,
                                                       std::uint64_t bytes_max) const;
  [[nodiscard]] Result<void> read_run(const ReadRun& run, std::vector<Entry>& out) const;
  [[nodiscard]] tl::unexpected<Error> read_damaged(const ReadRun& run, std::uint64_t offset) const;
  [[nodiscard]] tl::unexpected<Error> read_failed(const ReadRun& run, const Error& error) const;
  [[nodiscard]] std::string path(const std::string& name) const;

  FileSystem& files_;
  const SegmentLogOptions options_;
  LogRecovered recovered_;

  // ---- of the writer's thread
  RecordEncoder encoder_;
  HardState hard_state_;
  std::uint64_t chain_ = 0;             // checksum of the last record
  std::uint64_t salt_ = 0;              // of the newest segment
  std::uint64_t synced_ = 0;            // in the newest segment
  std::uint64_t reset_generation_ = 0;  // of a reset that is not durable yet, else 0
  std::vector<std::string> obsolete_;

  mutable std::atomic<bool> poisoned_ = false;

  mutable std::mutex mutex_;
  EntryIndex index_;
  std::deque<LiveSegment> segments_;  // ascending generations without a gap
  std::uint64_t tail_ = 0;            // where the next record goes, in the newest segment
  mutable std::optional<LogDamage> damage_;

  SegmentPool pool_;  // last: its thread ends first
};

}  // namespace aspen::adapter::segment_log
