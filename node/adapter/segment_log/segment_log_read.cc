#include <algorithm>
#include <utility>

#include "node/adapter/segment_log/recovery.h"
#include "node/adapter/segment_log/segment_log.h"
#include "node/base/assert.h"

// Reading entries back, beside the writer.
namespace aspen::adapter::segment_log {

// Records that stand one behind the other in a segment, read at once.
struct SegmentLog::ReadRun {
  std::shared_ptr<File> file;
  std::uint64_t generation = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::vector<BatchRef> refs;
  Index lo;  // of the whole read
  Index hi;
};

Result<std::vector<Entry>> SegmentLog::read(Index lo, Index hi, std::uint64_t bytes_max) const {
  ASPEN_ASSERT(lo <= hi);
  auto runs = plan_read(lo, hi, bytes_max);
  if (!runs) return tl::unexpected(runs.error());
  std::vector<Entry> entries;
  for (const ReadRun& run : *runs) {
    if (auto done = read_run(run, entries); !done) return tl::unexpected(done.error());
  }
  ASPEN_ASSERT(!entries.empty() && entries.front().id.index == lo);
  std::uint64_t bytes = 0;
  const auto beyond = std::ranges::find_if(entries, [&](const Entry& entry) {
    bytes += entry.size_bytes();
    return bytes > bytes_max && &entry != entries.data();
  });
  entries.erase(beyond, entries.end());
  return entries;
}

// Takes what is needed under the lock, so that the answer is that of one moment.
Result<std::vector<SegmentLog::ReadRun>> SegmentLog::plan_read(Index lo, Index hi,
                                                               std::uint64_t bytes_max) const {
  const std::lock_guard lock(mutex_);
  const auto first = index_.find(lo);
  if (!first || hi > index_.last()) return fail(Code::not_found, "the log does not hold this");
  std::vector<ReadRun> runs;
  std::uint64_t planned_bytes = 0;
  for (std::size_t i = *first; i < index_.size(); ++i) {
    const BatchRef& ref = index_.at(i);
    if (ref.first > hi || planned_bytes > bytes_max) break;
    const bool joins = !runs.empty() && runs.back().generation == ref.place.generation &&
                       runs.back().offset + runs.back().bytes == ref.place.offset &&
                       runs.back().bytes + ref.place.bytes <= limits::log_read_bytes;
    if (!joins) {
      const std::uint64_t behind = ref.place.generation - segments_.front().generation;
      ASPEN_ASSERT(behind < segments_.size());
      runs.push_back(
          {segments_[behind].file, ref.place.generation, ref.place.offset, 0, {}, lo, hi});
    }
    runs.back().bytes += ref.place.bytes;
    runs.back().refs.push_back(ref);
    // The first record may begin below lo.
    if (i != *first) planned_bytes += ref.size_bytes;
  }
  return runs;
}

Result<void> SegmentLog::read_run(const ReadRun& run, std::vector<Entry>& out) const {
  BytesBuilder builder(run.bytes);
  auto got = run.file->read(run.offset, builder.spare());
  if (!got) return read_failed(run, got.error());
  builder.filled(*got);
  const Bytes bytes = builder.finish();
  if (bytes.size() != run.bytes) return read_damaged(run, run.offset);
  const std::uint64_t salt = segment_salt(options_.self, run.generation);
  for (const BatchRef& ref : run.refs) {
    const Bytes record = bytes.slice(ref.place.offset - run.offset, ref.place.bytes);
    const auto header = find_record(record.view(), ref.place.offset, run.generation, salt);
    if (!header || !record_intact(*header, record.view(), salt)) {
      return read_damaged(run, ref.place.offset);
    }
    auto body = decode_batch(*header, record);
    if (!body || body->entries.size() < ref.count) return read_damaged(run, ref.place.offset);
    for (std::uint32_t i = 0; i < ref.count; ++i) {
      Entry& entry = body->entries[i];
      if (entry.id.index >= run.lo && entry.id.index <= run.hi) out.push_back(std::move(entry));
    }
  }
  return {};
}

tl::unexpected<Error> SegmentLog::read_damaged(const ReadRun& run, std::uint64_t offset) const {
  const std::lock_guard lock(mutex_);
  if (run.generation < segments_.front().generation) {
    // Purged while it was read, and the file has a new life.
    return fail(Code::not_found, "the log does not hold this any more");
  }
  if (!damage_) damage_ = {path(segment_name(run.generation)), offset, "a record is damaged"};
  return fail(Code::corrupt, "a record of the log is damaged", offset);
}

tl::unexpected<Error> SegmentLog::read_failed(const ReadRun& run, const Error& error) const {
  poisoned_ = true;
  const std::lock_guard lock(mutex_);
  if (!damage_) damage_ = {path(segment_name(run.generation)), run.offset, error.what};
  return fail(Code::io_error, error.what, error.detail);
}

}  // namespace aspen::adapter::segment_log
