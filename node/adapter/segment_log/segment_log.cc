#include "node/adapter/segment_log/segment_log.h"

#include <algorithm>
#include <utility>

#include "node/adapter/segment_log/recovery.h"
#include "node/base/assert.h"

namespace aspen::adapter::segment_log {
namespace {

constexpr std::uint64_t hint_bytes = record_header_bytes + aligned(8);

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Up to here records may stand; a hint always fits behind them.
std::uint64_t records_end(std::uint64_t segment_bytes) noexcept {
  return segment_bytes - hint_bytes;
}

std::uint64_t margin_of(std::uint64_t segment_bytes) noexcept {
  return std::min(limits::log_margin_bytes, segment_bytes / 4);
}

// How many of the entries one record takes: at least one, if there are any.
std::size_t record_entries(const LogBatch& state, std::span<const Entry> entries,
                           std::uint64_t record_max) noexcept {
  std::uint64_t bytes = batch_record_bytes(state, {});
  for (std::size_t i = 0; i < entries.size(); ++i) {
    bytes += batch_entry_bytes(entries[i]);
    if (bytes > record_max && i > 0) return i;
  }
  return entries.size();
}

LogRecovered summary(const Recovery& recovery) {
  LogRecovered recovered;
  recovered.hard_state = recovery.hard_state;
  recovered.purged = recovery.index.purged();
  recovered.runs = recovery.index.runs();
  recovered.last = recovery.index.last();
  recovered.config_entries = recovery.index.configs();
  recovered.config_at_purge = recovery.index.config_at_purge();
  return recovered;
}

}  // namespace

// One record's share of a batch.
struct SegmentLog::Chunk {
  std::span<const Entry> entries;
  bool carries_state = false;   // the batch's truncation and hard state
  bool begins_segment = false;  // does not fit behind the chunk before
};

struct SegmentLog::Plan {
  std::vector<Chunk> chunks;
  std::size_t segments = 0;  // that have to be begun
};

SegmentLog::SegmentLog(FileSystem& files, SegmentLogOptions options, Recovery recovery)
    : files_(files),
      options_(std::move(options)),
      recovered_(summary(recovery)),
      hard_state_(recovery.hard_state),
      chain_(recovery.chain),
      synced_(recovery.tail),
      obsolete_(std::move(recovery.obsolete)),
      index_(std::move(recovery.index)),
      segments_(recovery.segments.begin(), recovery.segments.end()),
      tail_(recovery.tail),
      pool_(files, {.directory = options_.directory,
                    .segment_bytes = options_.segment_bytes,
                    .keep_free_bytes = options_.keep_free_bytes,
                    .preparation = options_.preparation}) {
  if (!segments_.empty()) salt_ = segment_salt(options_.self, segments_.back().generation);
}

SegmentLog::~SegmentLog() = default;

Result<std::unique_ptr<SegmentLog>> SegmentLog::open(FileSystem& files, SegmentLogOptions options,
                                                     LogDamage* damage) {
  if (options.segment_bytes < limits::log_segment_bytes_min ||
      options.segment_bytes > limits::log_segment_bytes_max) {
    return fail(Code::invalid_argument, "a segment is 16 KiB to 256 MiB", options.segment_bytes);
  }
  options.segment_bytes -= options.segment_bytes % header_block_bytes;
  if (auto made = files.create_directory(options.directory); !made) {
    return tl::unexpected(made.error());
  }
  if (auto synced = files.sync_directory(parent_of(options.directory)); !synced) {
    return tl::unexpected(synced.error());
  }
  LogDamage unused;
  auto recovery = recover(files, options, damage != nullptr ? *damage : unused);
  if (!recovery) return tl::unexpected(recovery.error());
  const std::vector<std::string> spares = std::move(recovery->spares);
  std::unique_ptr<SegmentLog> log(new SegmentLog(files, std::move(options), std::move(*recovery)));
  if (auto started = log->start(spares); !started) return tl::unexpected(started.error());
  return log;
}

Result<void> SegmentLog::start(const std::vector<std::string>& spares) {
  if (auto adopted = pool_.adopt(spares); !adopted) return adopted;
  pool_.start();
  pool_.recycle(std::exchange(obsolete_, {}));
  if (!segments_.empty()) {
    write_hint(segments_.back(), 0);
    return check();
  }
  auto taken = pool_.take(1, Reserve::use);
  if (!taken) return tl::unexpected(taken.error());
  return begin_segment(std::move(taken->front()));
}

// ---- writing

Result<void> SegmentLog::check() const {
  if (poisoned_) return fail(Code::io_error, "the log failed before");
  return {};
}

tl::unexpected<Error> SegmentLog::poison(Error error) {
  poisoned_ = true;
  return fail(Code::io_error, error.what, error.detail);
}

Result<void> SegmentLog::append(const LogBatch& batch) {
  if (auto sound = check(); !sound) return sound;
  ASPEN_ASSERT(!batch.hard_state || batch.hard_state->term >= hard_state_.term);
  if (batch.reset) {
    // Segments before the reset will go, and with them the hard state that they hold.
    ASPEN_ASSERT(!batch.truncate_from);
    ASPEN_ASSERT(batch.reset->purged.index >= index_.purged().index);
    LogBatch whole = batch;
    if (!whole.hard_state) whole.hard_state = hard_state_;
    return append_planned(whole, batch.reset->purged.index);
  }
  ASPEN_ASSERT(!batch.truncate_from || *batch.truncate_from > index_.purged().index);
  const Index before = batch.truncate_from ? *batch.truncate_from - 1 : index_.last();
  ASPEN_ASSERT(before <= index_.last());
  if (!batch.truncate_from && !batch.hard_state && batch.entries.empty()) return {};
  return append_planned(batch, before);
}

Result<void> SegmentLog::append_planned(const LogBatch& batch, Index before) {
  ASPEN_ASSERT(batch.entries.empty() || batch.entries.front().id.index == before + 1);
  const Plan planned = plan(batch);
  std::vector<Spare> spares;
  if (planned.segments > 0) {
    if (segments_.size() + planned.segments > limits::log_segments_max) {
      return fail(Code::no_space, "the log has too many segments");
    }
    const Reserve reserve = batch.entries.empty() ? Reserve::use : Reserve::keep;
    auto taken = pool_.take(planned.segments, reserve);
    if (!taken && taken.error().code == Code::no_space) return tl::unexpected(taken.error());
    if (!taken) return poison(taken.error());
    spares = std::move(*taken);
  }
  auto spare = spares.begin();
  for (const Chunk& chunk : planned.chunks) {
    if (chunk.begins_segment) {
      if (auto begun = begin_segment(std::move(*spare++)); !begun) return begun;
    }
    if (auto appended = append_chunk(batch, chunk); !appended) {
      // A part of the batch stands in the log, and cannot be taken back.
      if (&chunk != &planned.chunks.front()) return poison(appended.error());
      return appended;
    }
  }
  return {};
}

SegmentLog::Plan SegmentLog::plan(const LogBatch& batch) const {
  const LogBatch nothing;
  const std::uint64_t fresh_bytes = records_end(options_.segment_bytes) - header_block_bytes;
  const std::uint64_t record_max =
      std::min<std::uint64_t>(limits::log_record_bytes_max, fresh_bytes);
  // While no spare is ready, entries leave room for votes and purge marks.
  const bool keeps_margin = !batch.entries.empty() && pool_.ready() == 0;
  const std::uint64_t capacity = records_end(segments_.back().segment_bytes);
  const std::uint64_t margin = keeps_margin ? margin_of(capacity) : 0;
  std::uint64_t left = capacity - std::min(capacity, tail_ + margin);

  Plan planned;
  std::span<const Entry> rest = batch.entries;
  do {
    const LogBatch& state = planned.chunks.empty() ? batch : nothing;
    const std::size_t count = record_entries(state, rest, record_max);
    const std::uint64_t bytes = batch_record_bytes(state, rest.first(count));
    ASPEN_ASSERT(bytes <= record_max);
    const bool begins = bytes > left;
    if (begins) left = fresh_bytes;
    left -= bytes;
    planned.segments += begins ? 1 : 0;
    planned.chunks.push_back({rest.first(count), planned.chunks.empty(), begins});
    rest = rest.subspan(count);
  } while (!rest.empty());
  return planned;
}

RecordHeader SegmentLog::next_header(RecordKind kind) const {
  RecordHeader header;
  header.previous = chain_;
  header.generation = segments_.back().generation;
  header.offset = tail_;
  header.synced = synced_;
  header.kind = kind;
  header.group = options_.group;
  return header;
}

Result<void> SegmentLog::append_chunk(const LogBatch& batch, const Chunk& chunk) {
  const LogBatch nothing;
  const LogBatch& state = chunk.carries_state ? batch : nothing;
  const RecordHeader header = next_header(RecordKind::batch);
  const EncodedRecord& record = encoder_.batch(header, state, chunk.entries, salt_);
  if (auto written = write_record(record); !written) return written;
  if (state.hard_state) hard_state_ = *state.hard_state;
  if (state.reset) reset_generation_ = header.generation;
  const std::lock_guard lock(mutex_);
  if (state.reset) index_.reset(*state.reset);
  if (state.truncate_from) index_.truncate(*state.truncate_from);
  if (!chunk.entries.empty()) {
    index_.append(chunk.entries, {header.generation, static_cast<std::uint32_t>(header.offset),
                                  static_cast<std::uint32_t>(record.record_bytes)});
  }
  tail_ += record.record_bytes;
  return {};
}

Result<void> SegmentLog::write_record(const EncodedRecord& record) {
  LiveSegment& segment = segments_.back();
  ASPEN_ASSERT(tail_ + record.record_bytes <= records_end(segment.segment_bytes));
  auto written = segment.file->write(tail_, record.parts);
  if (written) {
    chain_ = record.checksum;
    return {};
  }
  if (written.error().code != Code::no_space) return poison(written.error());
  // Only file systems that copy on write come here. The refused record must not be found later.
  static constexpr std::string_view zeros{"\0\0\0\0\0\0\0\0", 8};
  if (auto undone = segment.file->write(tail_, std::span(&zeros, 1)); !undone) {
    return poison(undone.error());
  }
  return written;
}

// The order makes a crash at any point harmless: the old segment is durable before a successor
// can be found, the header is durable before the file has a segment's name, and the name is durable
// before a record is written.
Result<void> SegmentLog::begin_segment(Spare spare) {
  SegmentHeader header;
  header.cluster = options_.cluster;
  header.self = options_.self;
  header.generation = 1;
  header.first_index = index_.last() + 1;
  header.chain_start = chain_;
  header.segment_bytes = options_.segment_bytes;
  if (!segments_.empty()) {
    if (auto synced = sync_now(); !synced) return synced;
    header.generation = segments_.back().generation + 1;
    header.previous_bytes = tail_;
  }
  const std::string block = encode_header(header);
  const std::string_view part = block;
  auto done = spare.file->write(0, std::span(&part, 1));
  if (done) done = spare.file->sync();
  if (done) done = files_.rename(path(spare.name), path(segment_name(header.generation)));
  if (done) done = files_.sync_directory(options_.directory);
  if (!done) return poison(done.error());
  if (!segments_.empty()) write_hint(segments_.back(), header.generation);
  const std::lock_guard lock(mutex_);
  segments_.push_back({header.generation, std::move(spare.file), header.segment_bytes});
  salt_ = segment_salt(options_.self, header.generation);
  tail_ = header_block_bytes;
  synced_ = tail_;
  return check();
}

// A failure poisons the store and shows at the next call.
void SegmentLog::write_hint(const LiveSegment& segment, std::uint64_t successor) {
  ASPEN_ASSERT(tail_ + hint_bytes <= segment.segment_bytes);
  ASPEN_ASSERT(synced_ == tail_);
  const EncodedRecord& record =
      encoder_.body(next_header(RecordKind::hint), encode_hint(successor), salt_);
  ASPEN_ASSERT(record.record_bytes == hint_bytes);
  auto written = segment.file->write(tail_, record.parts);
  if (!written && written.error().code != Code::no_space) poisoned_ = true;
}

Result<void> SegmentLog::sync_now() {
  if (synced_ == tail_) return {};
  if (auto synced = segments_.back().file->sync(); !synced) return poison(synced.error());
  synced_ = tail_;
  if (reset_generation_ == 0) return {};
  const std::uint64_t oldest = std::exchange(reset_generation_, 0);
  release(oldest - segments_.front().generation);
  if (auto sound = pool_.status(); !sound) return poison(sound.error());
  return {};
}

void SegmentLog::release(std::size_t count) {
  ASPEN_ASSERT(count < segments_.size());
  std::vector<std::string> names;
  {
    const std::lock_guard lock(mutex_);
    for (; count > 0; --count) {
      names.push_back(segment_name(segments_.front().generation));
      segments_.pop_front();
    }
  }
  pool_.recycle(std::move(names));
}

void SegmentLog::sync(std::function<void(Result<void>)> done) {
  if (auto sound = check(); !sound) return done(sound);
  const bool news = synced_ != tail_;
  auto synced = sync_now();
  const bool hints = news && synced.has_value();
  done(std::move(synced));
  // After the caller is told, who waits for the disk; it may have appended meanwhile.
  if (hints && synced_ == tail_) write_hint(segments_.back(), 0);
}

// ---- purging

Result<void> SegmentLog::purge(Index through) {
  if (auto sound = check(); !sound) return sound;
  ASPEN_ASSERT(through <= index_.last());
  std::size_t count = 0;
  while (count + 1 < segments_.size() && index_.last_in(segments_[count].generation) <= through) {
    ++count;
  }
  if (count == 0) return {};
  MarkBody mark;
  mark.purged.index = index_.last_in(segments_[count - 1].generation);
  mark.purged.term = index_.term_at(mark.purged.index);
  mark.oldest_generation = segments_[count].generation;
  mark.hard_state = hard_state_;
  mark.config = index_.config_at_purge();
  for (const Entry& config : index_.configs()) {
    if (config.id.index <= mark.purged.index) mark.config = config;
  }
  if (auto written = write_mark(mark); !written) return written;
  if (auto synced = sync_now(); !synced) return synced;
  write_hint(segments_.back(), 0);
  {
    const std::lock_guard lock(mutex_);
    index_.purge(mark.purged);
  }
  release(count);
  if (auto sound = pool_.status(); !sound) return poison(sound.error());
  return check();
}

Index SegmentLog::purge_for(std::uint64_t bytes_max) const {
  std::uint64_t bytes = size_bytes();
  const std::lock_guard lock(mutex_);
  ASPEN_ASSERT(!segments_.empty());
  Index through = index_.purged().index;
  for (std::size_t i = 0; i + 1 < segments_.size() && bytes > bytes_max; ++i) {
    through = std::max(through, index_.last_in(segments_[i].generation));
    bytes -= std::min(bytes, segments_[i].segment_bytes);
  }
  return through;
}

Result<void> SegmentLog::write_mark(const MarkBody& mark) {
  const std::string body = encode_mark(mark);
  const std::uint64_t bytes = record_header_bytes + aligned(body.size());
  if (tail_ + bytes > records_end(segments_.back().segment_bytes)) {
    auto taken = pool_.take(1, Reserve::use);
    if (!taken && taken.error().code == Code::no_space) return tl::unexpected(taken.error());
    if (!taken) return poison(taken.error());
    if (auto begun = begin_segment(std::move(taken->front())); !begun) return begun;
  }
  const EncodedRecord& record = encoder_.body(next_header(RecordKind::mark), body, salt_);
  if (auto written = write_record(record); !written) return written;
  const std::lock_guard lock(mutex_);
  tail_ += record.record_bytes;
  return {};
}

Index SegmentLog::last() const {
  const std::lock_guard lock(mutex_);
  return index_.last();
}

std::uint64_t SegmentLog::size_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = tail_;
  for (const LiveSegment& segment : segments_) bytes += segment.segment_bytes;
  return bytes - segments_.back().segment_bytes;
}

// The rest of the newest segment without its margin, and the spares but the one in reserve.
std::uint64_t SegmentLog::room_bytes() const {
  const std::size_t spares = pool_.ready();
  const std::lock_guard lock(mutex_);
  ASPEN_ASSERT(!segments_.empty());
  const std::uint64_t capacity = records_end(segments_.back().segment_bytes);
  const std::uint64_t used = tail_ + margin_of(capacity);
  const std::uint64_t left = capacity - std::min(capacity, used);
  const std::uint64_t fresh_bytes = records_end(options_.segment_bytes) - header_block_bytes;
  return left + (spares > 1 ? (spares - 1) * fresh_bytes : 0);
}

std::optional<LogDamage> SegmentLog::damage() const {
  const std::lock_guard lock(mutex_);
  return damage_;
}

std::string SegmentLog::path(const std::string& name) const {
  return options_.directory + "/" + name;
}

}  // namespace aspen::adapter::segment_log
