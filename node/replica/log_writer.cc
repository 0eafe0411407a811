#include "node/replica/log_writer.h"

#include <utility>

#include "node/base/assert.h"
#include "node/replica/disk_metrics.h"
#include "node/replica/log_reset.h"

namespace aspen::replica {

namespace {
constexpr Duration retry_delay = std::chrono::milliseconds(50);
}  // namespace

LogWriter::LogWriter(Parts parts)
    : parts_(std::move(parts)),
      fsync_seconds_(fsync_seconds_of(parts_.telemetry)),
      log_bytes_(log_bytes_of(parts_.telemetry)) {
  ASPEN_ASSERT(parts_.log != nullptr);
}

void LogWriter::on(WriteLog&& message, Context&) noexcept {
  const raft::IoId last = waiting_.empty() ? appended_ : waiting_.back().id;
  ASPEN_ASSERT(last < message.io.id);
  raft::LogIo& io = message.io;
  LogBatch batch{io.truncate_from, io.hard_state, std::move(io.append)};
  if (io.reset) batch.reset = log_reset(*io.reset);
  waiting_.push_back({io.id, std::move(batch)});
}

void LogWriter::on(PurgeLog&& message, Context&) noexcept {
  if (ended_) return;
  const Result<void> purged = parts_.log->purge(message.through);
  // A later permission repeats this one.
  if (!purged && purged.error().code != Code::no_space) return end(purged.error());
  log_bytes_.set(static_cast<double>(parts_.log->size_bytes()));
}

void LogWriter::on(RetryWrite&&, Context&) noexcept {
  stalled_ = false;
}

void LogWriter::batch_end(Context& context) noexcept {
  if (ended_) return;
  if (!stalled_) write_waiting();
  if (!ended_ && durable_ < appended_) sync();
  if (!ended_) report(context);
}

void LogWriter::write_waiting() noexcept {
  while (!waiting_.empty()) {
    const WaitingBatch& next = waiting_.front();
    const Result<void> appended = parts_.log->append(next.batch);
    if (!appended && appended.error().code == Code::no_space) {
      stalled_ = true;
      return;
    }
    if (!appended) return end(appended.error());
    ASPEN_ASSERT(appended_ < next.id);
    appended_ = next.id;
    waiting_.pop_front();
  }
}

void LogWriter::sync() noexcept {
  const Instant start = parts_.clock.now();
  bool called = false;
  // The segment log syncs inside the call, which is why this actor has a worker of its own.
  parts_.log->sync([this, &called](Result<void> result) {
    called = true;
    if (!result) end(result.error());
  });
  ASPEN_ASSERT(called);
  if (ended_) return;
  durable_ = appended_;
  const Duration took = parts_.clock.now() - start;
  fsync_seconds_.observe(std::chrono::duration<double>(took).count());
}

void LogWriter::report(Context& context) noexcept {
  ASPEN_ASSERT(reported_ <= durable_);
  if (told_stalled_ != stalled_ && parts_.raft.tell(LogStalled{parts_.boot, stalled_}))
    told_stalled_ = stalled_;
  if (reported_ < durable_ && parts_.raft.tell(LogDone{parts_.boot, durable_}))
    reported_ = durable_;
  const bool open = reported_ < durable_ || stalled_ || told_stalled_ != stalled_;
  if (open) retry_ = context.after(retry_delay, RetryWrite{});
}

void LogWriter::end(const Error& error) noexcept {
  ended_ = true;
  parts_.fatal.fail("log", error);
}

}  // namespace aspen::replica
