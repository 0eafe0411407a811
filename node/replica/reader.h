// Executes what may take long, off the way of everything else: ranges, hashes and transactions on a
// snapshot of the state. A scan ends at its deadline, and when the replica ends.
//
// Owner: the RaftActor, on a worker of its own. Bound: replica_mailbox_max messages.
#pragma once

#include <memory>

#include "node/actor/actor.h"
#include "node/port/clock.h"
#include "node/port/telemetry.h"
#include "node/replica/protocols.h"
#include "node/replica/slow_reads.h"

namespace aspen::replica {

class Reader final : public actor::Actor<Reader, ReaderProtocol> {
 public:
  using Context = actor::Context<Reader>;
  struct Parts {
    const Clock& clock;
    Telemetry& telemetry;
  };
  explicit Reader(Parts parts)
      : parts_(std::move(parts)), slow_reads_(slow_reads_of(parts_.telemetry)) {}

  void on(ScanRead&& message, Context& context) noexcept;

 private:
  Parts parts_;
  Counter& slow_reads_;
};

// Executes one operation on a snapshot. Possible errors: as kv::Snapshot.
[[nodiscard]] Result<ReadResult> execute(const ReadOperation& operation,
                                         const kv::Snapshot& snapshot);

}  // namespace aspen::replica
