#include "node/replica/applier.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/replica/disk_metrics.h"
#include "node/replica/errors.h"

namespace aspen::replica {

namespace {

constexpr Duration tick_interval = std::chrono::milliseconds(100);
constexpr Duration report_interval = std::chrono::milliseconds(10);
constexpr Duration flush_interval = std::chrono::seconds(30);
constexpr std::uint64_t ticks_per_measurement = 10;
constexpr std::uint64_t flush_bytes_max = 32 * 1024 * 1024;
constexpr std::uint64_t flush_margin_bytes = 4 * 1024 * 1024;
constexpr std::size_t clean_rows = 512;
constexpr std::size_t entries_per_batch = 1024;

}  // namespace

Applier::Applier(Parts parts)
    : parts_(std::move(parts)), apply_seconds_(apply_seconds_of(parts_.telemetry)) {
  ASPEN_ASSERT(parts_.log != nullptr);
}

Result<void> Applier::pre_start(Context& context) noexcept {
  Result<kv::Store> store = kv::Store::open(parts_.state);
  if (!store) {
    parts_.fatal.fail("state", store.error());
    return tl::unexpected<Error>(store.error());
  }
  store_.emplace(std::move(*store));
  committed_ = store_->applied().index;
  flushed_at_ = context.now();
  sizes_ = parts_.state.sizes();
  tick_ = context.every(tick_interval, ApplierTick{});
  schedule_clean(context);
  return {};
}

void Applier::on(ApplyCommitted&& message, Context&) noexcept {
  ASPEN_ASSERT(message.range.after <= message.range.through);
  term_ = message.term;
  if (message.range.through <= store_->applied().index) {
    // A snapshot came before it.
    for (Waiting& waiting : message.waiting) waiting.responder.fail(error_unknown);
    return;
  }
  ASPEN_ASSERT(committed_ <= message.range.through);
  for (Waiting& waiting : message.waiting) {
    ASPEN_ASSERT(waiting_.empty() || waiting_.back().index < waiting.index);
    waiting_.push_back(std::move(waiting));
  }
  const Index loaded = entries_.empty() ? store_->applied().index : entries_.back().id.index;
  // A gap before the entries that came along is read from the log, and so are those behind it.
  const bool follows = loaded == committed_ && !message.range.entries.empty() &&
                       message.range.entries.front().id.index <= loaded + 1;
  if (follows) {
    for (Entry& entry : message.range.entries) {
      if (entry.id.index > loaded) entries_.push_back(std::move(entry));
    }
  }
  committed_ = message.range.through;
}

void Applier::on(ExecuteReads&& message, Context&) noexcept {
  if (reads_waiting_ + message.reads.size() > limits::requests_pending_max) {
    for (PendingRead& read : message.reads) read.responder.fail(error_overloaded);
    return;
  }
  reads_waiting_ += message.reads.size();
  reads_.push_back(std::move(message));
}

void Applier::on(ApplyMore&&, Context&) noexcept {
  ASPEN_ASSERT(more_scheduled_);
  more_scheduled_ = false;
}

std::uint64_t Applier::backlog() const noexcept {
  return distance(store_->applied().index, committed_);
}

void Applier::batch_end(Context& context) noexcept {
  if (ended_) return;
  apply_backlog(context);
  serve_reads(context);
  schedule_clean(context);
  if (!ended_ && context.now() - reported_at_ >= report_interval) report(context);
}

// Few batches a turn, so that reads, reports and a stop wait for those alone.
void Applier::apply_backlog(Context& context) noexcept {
  std::size_t batches = 0;
  while (!ended_ && !stalled_ && backlog() > 0 && batches < limits::apply_batches_per_turn_max) {
    if (entries_.empty() && !load_more()) return;
    if (!apply_once(context)) return;
    serve_reads(context);
    ++batches;
  }
  const bool more = !ended_ && !stalled_ && backlog() > 0;
  // Without room in the mailbox the next message goes on.
  if (more && !more_scheduled_) more_scheduled_ = context.self().tell(ApplyMore{}).has_value();
}

// Reads the next entries from the log. False if that failed.
bool Applier::load_more() noexcept {
  const Index next = store_->applied().index + 1;
  ASPEN_ASSERT(entries_.empty());
  Result<std::vector<Entry>> read = parts_.log->read(next, committed_, limits::append_bytes_max);
  if (!read) {
    ended_ = true;
    parts_.fatal.fail("log", read.error());
    return false;
  }
  ASPEN_ASSERT(!read->empty());
  ASPEN_ASSERT(read->front().id.index == next);
  for (Entry& entry : *read) entries_.push_back(std::move(entry));
  return true;
}

// Applies one batch. False if there is no room now.
bool Applier::apply_once(Context& context) noexcept {
  const Instant start = context.now();
  std::vector<Entry> batch;
  const std::size_t count = std::min(entries_.size(), entries_per_batch);
  ASPEN_ASSERT(count > 0);
  batch.reserve(count);
  for (std::size_t i = 0; i < count; ++i) batch.push_back(entries_[i]);
  Result<kv::Applied> applied = store_->apply(batch);
  if (!applied) {
    if (retry_later(applied.error())) stalled_ = true;
    return false;
  }
  ASPEN_ASSERT(applied->entries > 0);
  ASPEN_ASSERT(applied->entries <= count);
  for (std::size_t i = 0; i < applied->entries; ++i) {
    unflushed_bytes_ += entries_.front().size_bytes();
    entries_.pop_front();
  }
  answer(applied->results);
  apply_seconds_.observe(std::chrono::duration<double>(parts_.clock.now() - start).count());
  return true;
}

void Applier::answer(std::vector<kv::CommandResult>& results) noexcept {
  for (kv::CommandResult& result : results) {
    while (!waiting_.empty() && waiting_.front().index <= result.id.index) {
      Waiting waiting = std::move(waiting_.front());
      waiting_.pop_front();
      ASPEN_ASSERT(waiting.index == result.id.index);
      answer_one(std::move(waiting), std::move(result.response));
    }
  }
}

void Applier::answer_one(Waiting&& waiting, Result<kv::Response>&& response) noexcept {
  if (!response) return waiting.responder.fail(response.error());
  CommandReply reply{header(term_), std::move(*response)};
  // The revision that this command left behind, not that of the whole batch.
  reply.header.revision =
      std::visit([](const auto& each) { return each.revision; }, reply.response);
  if (waiting.physical && store_->clean_pending()) {
    if (physical_.size() >= limits::physical_waits_max)
      return waiting.responder.fail(error_unknown);
    physical_.emplace(store_->compact_revision(), PhysicalWait{std::move(waiting.responder),
                                                               std::move(reply), waiting.deadline});
    return;
  }
  waiting.responder.reply(std::move(reply));
}

void Applier::answer_cleaned() noexcept {
  while (!physical_.empty() && physical_.begin()->first <= store_->cleaned()) {
    PhysicalWait& first = physical_.begin()->second;
    first.responder.reply(std::move(first.reply));
    physical_.erase(physical_.begin());
  }
}

// A store that refuses must not keep callers beyond their deadlines.
void Applier::expire(Instant now) noexcept {
  std::deque<Waiting> waiting;
  for (Waiting& each : waiting_) {
    if (each.deadline > now) {
      waiting.push_back(std::move(each));
    } else {
      each.responder.fail(error_unknown);
    }
  }
  waiting_ = std::move(waiting);
  for (auto each = physical_.begin(); each != physical_.end();) {
    const bool late = each->second.deadline <= now;
    if (late) each->second.responder.fail(error_unknown);
    each = late ? physical_.erase(each) : std::next(each);
  }
  std::size_t reads_waiting = 0;
  for (ExecuteReads& asked : reads_) {
    std::vector<PendingRead> reads;
    for (PendingRead& read : asked.reads) {
      if (read.deadline > now) {
        reads.push_back(std::move(read));
      } else {
        read.responder.fail(error_late);
      }
    }
    asked.reads = std::move(reads);
    reads_waiting += asked.reads.size();
  }
  ASPEN_ASSERT(reads_waiting <= reads_waiting_);
  reads_waiting_ = reads_waiting;
  std::erase_if(reads_, [](const ExecuteReads& asked) { return asked.reads.empty(); });
  ASPEN_ASSERT(reads_.size() <= reads_waiting_);
}

void Applier::serve_reads(Context&) noexcept {
  const Index applied = store_->applied().index;
  // Indexes nearly ascend; the few that wait for longer keep their place.
  std::deque<ExecuteReads> later;
  while (!reads_.empty()) {
    ExecuteReads asked = std::move(reads_.front());
    reads_.pop_front();
    if (asked.index > applied) {
      later.push_back(std::move(asked));
    } else {
      std::vector<PendingRead> reads = std::move(asked.reads);
      ASPEN_ASSERT(reads.size() <= reads_waiting_);
      reads_waiting_ -= reads.size();
      serve(reads, asked);
    }
  }
  reads_ = std::move(later);
}

void Applier::serve(std::vector<PendingRead>& reads, const ExecuteReads& asked) noexcept {
  Result<kv::Snapshot> snapshot = store_->snapshot();
  for (PendingRead& read : reads) {
    if (!snapshot) {
      read.responder.fail(snapshot.error());
    } else {
      serve_one(std::move(read), *snapshot, asked);
    }
  }
}

// A read of one key is done here; whatever may take longer gets a snapshot of its own.
void Applier::serve_one(PendingRead&& read, const kv::Snapshot& snapshot,
                        const ExecuteReads& asked) noexcept {
  if (std::holds_alternative<MembersRead>(read.operation)) {
    const Config config = asked.config == nullptr ? Config{} : *asked.config;
    return read.responder.reply(ReadReply{header(asked.term), config});
  }
  const auto* range = std::get_if<kv::RangeRequest>(&read.operation);
  if (range == nullptr || !range->range_end.empty()) return delegate(std::move(read), asked.term);
  Result<kv::RangeResponse> response = snapshot.range(*range);
  if (!response) return read.responder.fail(response.error());
  read.responder.reply(ReadReply{header(asked.term), std::move(*response)});
}

void Applier::delegate(PendingRead&& read, Term term) noexcept {
  ScanRead scan{parts_.state.snapshot(), std::move(read), header(term)};
  const Result<void> sent = parts_.reader.tell(std::move(scan));
  if (!sent) scan.read.responder.fail(sent.error());
}

void Applier::on(ApplierTick&&, Context& context) noexcept {
  expire(context.now());
  if (ended_) return;
  tell_installed();
  stalled_ = false;
  ++ticks_;
  if (ticks_ % ticks_per_measurement == 0) sizes_ = parts_.state.sizes();
  const Result<LogId> durable = store_->applied_durable();
  if (!durable) {
    ASPEN_MAYBE(retry_later(durable.error()));
    return;
  }
  ASPEN_ASSERT(durable->index <= store_->applied().index);
  durable_ = std::max(durable_, durable->index);
  maybe_flush(context);
  report(context);
}

void Applier::maybe_flush(Context& context) noexcept {
  ASPEN_ASSERT(!ended_);
  const bool due =
      unflushed_bytes_ >= limits::unflushed_bytes_max ||
      (durable_ < store_->applied().index && context.now() - flushed_at_ >= flush_interval);
  if (!due) return;
  // A flush that finds no room would stop the store: it waits, and elections can be applied. The
  // store has written what exceeds its buffers already.
  const std::uint64_t expected_bytes = std::min(2 * unflushed_bytes_, flush_bytes_max);
  if (parts_.free_bytes() < expected_bytes + flush_margin_bytes) return;
  const Result<void> flushed = parts_.state.flush();
  if (!flushed) ASPEN_MAYBE(retry_later(flushed.error()));
  unflushed_bytes_ = 0;
  flushed_at_ = context.now();
}

void Applier::report(Context& context) noexcept {
  const Index applied = store_->applied().index;
  if (applied == reported_ && !sizes_.has_value()) return;
  const Result<void> told =
      parts_.raft.tell(AppliedUpTo{parts_.boot, applied, durable_, store_->revision(), sizes_});
  if (!told) return;  // the next tick tells again
  reported_ = applied;
  reported_at_ = context.now();
  sizes_.reset();
}

void Applier::schedule_clean(Context& context) noexcept {
  if (ended_ || stalled_ || clean_scheduled_ || !store_->clean_pending()) return;
  clean_scheduled_ = context.self().tell(CleanStep{}).has_value();
}

void Applier::on(CleanStep&&, Context&) noexcept {
  clean_scheduled_ = false;
  if (ended_ || stalled_ || !store_->clean_pending()) return;
  const Result<void> cleaned = store_->clean(clean_rows);
  if (!cleaned && retry_later(cleaned.error())) stalled_ = true;
  answer_cleaned();
}

void Applier::post_stop(Context&) noexcept {
  // Committed, so it takes effect; when, the caller cannot know.
  for (Waiting& waiting : waiting_) waiting.responder.fail(error_ended);
  for (auto& [revision, wait] : physical_) wait.responder.reply(std::move(wait.reply));
  for (ExecuteReads& asked : reads_) {
    for (PendingRead& read : asked.reads) read.responder.fail(error_stopping);
  }
}

ReplyHeader Applier::header(Term term) const noexcept {
  return ReplyHeader{parts_.cluster, parts_.self, store_->revision(), term};
}

bool Applier::retry_later(const Error& error) noexcept {
  if (error.code == Code::no_space) return true;
  ended_ = true;
  parts_.fatal.fail("state", error);
  return false;
}

}  // namespace aspen::replica
