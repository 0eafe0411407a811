// Reads entries of the log for followers that lag behind what the core keeps in memory. It has
// nothing else to do, so that nothing else delays them.
//
// Owner: the RaftActor, on a worker of its own, since the disk blocks it. Bound:
// log_reads_per_peer_max reads per member, which the RaftActor keeps (log_reads.h).
#pragma once

#include <memory>

#include "node/actor/actor.h"
#include "node/port/log_store.h"
#include "node/replica/protocols.h"

namespace aspen::replica {

class LogReader final : public actor::Actor<LogReader, LogReaderProtocol> {
 public:
  using Context = actor::Context<LogReader>;
  struct Parts {
    std::shared_ptr<LogStore> log;
    actor::Ref<RaftProtocol> raft;
    std::uint64_t boot = 0;
  };
  explicit LogReader(Parts parts) : parts_(std::move(parts)) {}

  // Answers with LogRead, whose entries are empty if they are purged or truncated meanwhile.
  void on(ReadLog&& message, Context& context) noexcept;

 private:
  Parts parts_;
};

}  // namespace aspen::replica
