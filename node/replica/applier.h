// Applies committed entries to the key-value store, in order, and serves the reads that wait for
// them. Everything committed that is waiting becomes one batch; physical deletion behind the
// compaction floor and the pacing of flushes go on when nothing else is to do.
//
// Owner: the RaftActor, on a worker of its own. Bounds: replica_mailbox_max messages;
// apply_backlog_bytes_max of payloads and apply_backlog_entries_max entries, which the RaftActor
// keeps; requests_pending_max reads and physical_waits_max compactions. Whoever waits is answered
// at his deadline, even if the store refuses. A store without room is tried again; damage ends the
// process.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "node/actor/actor.h"
#include "node/kv/store.h"
#include "node/port/clock.h"
#include "node/port/fatal.h"
#include "node/port/log_store.h"
#include "node/port/telemetry.h"
#include "node/replica/protocols.h"

namespace aspen::replica {

class Applier final : public actor::Actor<Applier, ApplierProtocol> {
 public:
  using Context = actor::Context<Applier>;
  struct Parts {
    std::shared_ptr<LogStore> log;
    StateStore& state;
    actor::Ref<RaftProtocol> raft;
    std::uint64_t boot = 0;
    actor::Ref<ReaderProtocol> reader;
    const Clock& clock;
    Fatal& fatal;
    Telemetry& telemetry;
    std::function<std::uint64_t()> free_bytes;  // of the disk
    ClusterId cluster;
    NodeId self;
  };
  explicit Applier(Parts parts);

  Result<void> pre_start(Context& context) noexcept;
  void on(ApplyCommitted&& message, Context& context) noexcept;
  void on(ExecuteReads&& message, Context& context) noexcept;
  void on(ApplierTick&& message, Context& context) noexcept;
  void on(ApplyMore&& message, Context& context) noexcept;
  void on(CleanStep&& message, Context& context) noexcept;
  void on(InstallState&& message, Context& context) noexcept;
  void batch_end(Context& context) noexcept;
  void post_stop(Context& context) noexcept;

 private:
  struct PhysicalWait {
    CommandResponder responder;
    CommandReply reply;
    Instant deadline;
  };

  [[nodiscard]] std::uint64_t backlog() const noexcept;
  void apply_backlog(Context& context) noexcept;
  [[nodiscard]] bool load_more() noexcept;
  [[nodiscard]] bool apply_once(Context& context) noexcept;
  void answer(std::vector<kv::CommandResult>& results) noexcept;
  void answer_one(Waiting&& waiting, Result<kv::Response>&& response) noexcept;
  void answer_cleaned() noexcept;
  void expire(Instant now) noexcept;
  void serve_reads(Context& context) noexcept;
  void serve(std::vector<PendingRead>& reads, const ExecuteReads& asked) noexcept;
  void serve_one(PendingRead&& read, const kv::Snapshot& snapshot,
                 const ExecuteReads& asked) noexcept;
  void delegate(PendingRead&& read, Term term) noexcept;
  void maybe_flush(Context& context) noexcept;
  void report(Context& context) noexcept;
  void schedule_clean(Context& context) noexcept;
  [[nodiscard]] ReplyHeader header(Term term) const noexcept;
  // False if the process ends.
  [[nodiscard]] bool install(const InstallState& message, StateInstalled& done) noexcept;
  void skip_to_installed() noexcept;
  void tell_installed() noexcept;
  // True if the operation is to be tried again; otherwise the process ends.
  [[nodiscard]] bool retry_later(const Error& error) noexcept;

  Parts parts_;
  Histogram& apply_seconds_;
  std::optional<kv::Store> store_;
  Index committed_;                 // may be applied up to here
  std::deque<Entry> entries_;       // contiguous, the next ones after what is applied, if loaded
  std::deque<Waiting> waiting_;     // ascending
  std::deque<ExecuteReads> reads_;  // in order of arrival
  std::size_t reads_waiting_ = 0;   // in reads_
  std::multimap<kv::Revision, PhysicalWait> physical_;
  Term term_;
  std::uint64_t unflushed_bytes_ = 0;  // applied since the last flush began
  Instant flushed_at_;
  Instant reported_at_;
  Index reported_;
  Index durable_;
  std::optional<StateSizes> sizes_;
  std::uint64_t ticks_ = 0;
  bool clean_scheduled_ = false;
  bool more_scheduled_ = false;
  bool stalled_ = false;  // the store has no room; until the next tick
  bool ended_ = false;
  std::optional<StateInstalled> installed_;  // not taken by the RaftActor's mailbox yet
  actor::TimerHandle tick_;
};

}  // namespace aspen::replica
