// Makes snapshots of the state and sends them to peers that need what the log has purged. One
// checkpoint serves all who ask for no more than it has; it is kept for a while after the last
// transfer, so that one that broke goes on with the same bytes.
//
// Owner: the RaftActor, on a worker that the disk may block. Bounds: limits::
// snapshot_transfers_max transfers; limits::members_max requests that wait; two checkpoints, and
// those that clients still read; in memory the manifests and the pieces wanted.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/actor/actor.h"
#include "node/port/file_system.h"
#include "node/port/log.h"
#include "node/port/state_store.h"
#include "node/port/telemetry.h"
#include "node/replica/checkpoint.h"
#include "node/replica/peers.h"
#include "node/replica/protocols.h"
#include "node/replica/snapshot_metrics.h"
#include "node/snapshot/sender.h"

namespace aspen::replica {

class SnapshotExporter final : public actor::Actor<SnapshotExporter, SnapshotExporterProtocol> {
 public:
  using Context = actor::Context<SnapshotExporter>;
  struct Parts {
    FileSystem& files;
    std::string root;  // where checkpoints are made, on the state's file system
    StateStore& state;
    Peers& peers;
    actor::Ref<RaftProtocol> raft;
    std::uint64_t boot = 0;
    ClusterId cluster;
    NodeId self;
    std::uint64_t bytes_per_second = 0;
    LogSink& log;
    Telemetry& telemetry;
  };
  explicit SnapshotExporter(Parts parts);

  Result<void> pre_start(Context& context) noexcept;
  void batch_end(Context& context) noexcept;
  void on(SendSnapshot&& message, Context& context) noexcept;
  void on(StopSending&& message, Context& context) noexcept;
  void on(TakeSnapshot&& message, actor::Responder<SnapshotTaken>&& responder,
          Context& context) noexcept;
  void on(SnapshotReceived&& message, Context& context) noexcept;
  void on(ExporterTick&& message, Context& context) noexcept;
  void on(DescribeMore&& message, Context& context) noexcept;

 private:
  using Shared = std::shared_ptr<const Checkpoint>;
  struct Waiting {
    SendSnapshot request;
    Instant not_before;
  };
  struct Serving {
    SendSnapshot request;
    Shared checkpoint;
  };
  // A checkpoint whose files are being hashed.
  struct Making {
    std::string directory;
    std::unique_ptr<snapshot::Describer> describer;
    Instant begun;
  };
  struct Client {
    actor::Responder<SnapshotTaken> responder;
    Index at_least;
  };

  void advance(Instant now);
  [[nodiscard]] bool serves(Instant now, const SendSnapshot& request);
  [[nodiscard]] bool usable(const Shared& checkpoint, Index at_least) const noexcept;
  void make(Instant now);
  [[nodiscard]] Result<snapshot::Manifest> read_head(const std::string& directory) const;
  void made(Instant now, snapshot::Manifest manifest);
  [[nodiscard]] SnapshotTaken taken() const;
  void give_up_making(Instant now, const Error& error);
  void carry_out(Instant now);
  void ended(Instant now, const snapshot::SendEnded& end);
  void read(Instant now, const snapshot::ReadChunk& asked);
  void answer(const SendSnapshot& request, const LogId& id, raft::SnapshotResult result);
  void report();
  void let_go(Instant now);
  void schedule(Context& context);

  Parts parts_;
  SnapshotMetrics metrics_;
  snapshot::SnapshotSender sender_;
  std::deque<Waiting> waiting_;
  std::map<NodeId, Serving> serving_;
  std::map<NodeId, Instant> failed_at_;  // at most limits::members_max
  std::vector<Client> clients_;          // who wait for a checkpoint
  Shared current_;
  Instant used_at_;
  std::optional<Making> making_;
  Instant make_again_;  // after a failure
  std::uint64_t next_number_ = 1;
  std::deque<SnapshotEnded> reports_;  // not taken by the RaftActor's mailbox yet
  bool describing_ = false;            // a DescribeMore is on its way
  actor::TimerHandle timer_;
};

}  // namespace aspen::replica
