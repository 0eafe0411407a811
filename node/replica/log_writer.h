// Writes the core's log IO in the order of its ids and tells the RaftActor what is durable. What
// arrived while the disk was busy is one append stream and one fsync: the group commit.
//
// Owner: the RaftActor, which spawns it on a worker of its own, since the disk blocks the worker.
// Bound: replica_mailbox_max messages. A write that finds no room waits and is tried again; a
// failed write or fsync ends the process.
#pragma once

#include <deque>
#include <memory>

#include "node/actor/actor.h"
#include "node/port/clock.h"
#include "node/port/fatal.h"
#include "node/port/log_store.h"
#include "node/port/telemetry.h"
#include "node/replica/protocols.h"

namespace aspen::replica {

class LogWriter final : public actor::Actor<LogWriter, LogWriterProtocol> {
 public:
  using Context = actor::Context<LogWriter>;
  struct Parts {
    std::shared_ptr<LogStore> log;
    actor::Ref<RaftProtocol> raft;
    std::uint64_t boot = 0;
    const Clock& clock;
    Fatal& fatal;
    Telemetry& telemetry;
  };
  explicit LogWriter(Parts parts);

  void on(WriteLog&& message, Context& context) noexcept;
  void on(PurgeLog&& message, Context& context) noexcept;
  void on(RetryWrite&& message, Context& context) noexcept;
  void batch_end(Context& context) noexcept;

 private:
  struct WaitingBatch {
    raft::IoId id;
    LogBatch batch;
  };

  void write_waiting() noexcept;
  void sync() noexcept;
  void report(Context& context) noexcept;
  void end(const Error& error) noexcept;

  Parts parts_;
  Histogram& fsync_seconds_;
  Gauge& log_bytes_;
  std::deque<WaitingBatch> waiting_;  // not appended yet, in order
  raft::IoId appended_;
  raft::IoId durable_;
  raft::IoId reported_;
  bool stalled_ = false;  // no room for waiting_.front()
  bool told_stalled_ = false;
  bool ended_ = false;  // after a durability failure
  actor::TimerHandle retry_;
};

}  // namespace aspen::replica
