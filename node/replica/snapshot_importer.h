// Takes snapshots from peers: pulls their chunks into a directory of its own, checks them, and
// hands the whole to the RaftActor, which has it installed and the log go on behind it. Only when
// that is durable the sender is told (rule P8). What has arrived survives a restart of this
// process.
//
// Owner: the RaftActor, on a worker that the disk may block. Bounds: those of SnapshotReceiver; one
// snapshot at a time.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/actor/actor.h"
#include "node/port/file_system.h"
#include "node/port/log.h"
#include "node/port/state_store.h"
#include "node/port/telemetry.h"
#include "node/replica/peers.h"
#include "node/replica/protocols.h"
#include "node/replica/snapshot_metrics.h"
#include "node/snapshot/part_directory.h"
#include "node/snapshot/receiver.h"

namespace aspen::replica {

class SnapshotImporter final : public actor::Actor<SnapshotImporter, SnapshotImporterProtocol> {
 public:
  using Context = actor::Context<SnapshotImporter>;
  struct Parts {
    FileSystem& files;
    std::string root;  // on the state's file system
    const StateStore& state;
    Peers& peers;
    actor::Ref<RaftProtocol> raft;
    std::uint64_t boot = 0;
    ClusterId cluster;
    // What a snapshot may take of the disk.
    std::function<std::uint64_t()> room_bytes;
    LogSink& log;
    Telemetry& telemetry;
  };
  explicit SnapshotImporter(Parts parts);

  Result<void> pre_start(Context& context) noexcept;
  void batch_end(Context& context) noexcept;
  void on(SnapshotReceived&& message, Context& context) noexcept;
  void on(PeerLinkChanged&& message, Context& context) noexcept;
  void on(ArrivalSettled&& message, Context& context) noexcept;
  void on(ImporterTick&& message, Context& context) noexcept;
  void on(CheckMore&& message, Context& context) noexcept;

 private:
  // Reads what is there, chunk by chunk, for OpenPart or for FinishPart.
  struct Checking {
    enum class For : std::uint8_t { opening, finishing } purpose = For::opening;
    std::vector<bool> there;
    std::size_t next = 0;
  };

  void work(Instant now);
  void perform(Instant now, const snapshot::OpenPart& work);
  void perform(Instant now, const snapshot::KeepManifest& work);
  void perform(Instant now, const snapshot::WriteChunk& work);
  void perform(Instant now, const snapshot::FinishPart& work);
  void perform(Instant now, const snapshot::InstallPart& work);
  void loaded(Instant now, const Result<bool>& found);
  void check(Checking::For purpose);
  void checked(Instant now);
  [[nodiscard]] Result<void> finish();
  [[nodiscard]] Result<SnapshotArrived> arrival() const;
  void send(std::vector<snapshot::Envelope>& envelopes);
  void schedule(Context& context);

  Parts parts_;
  SnapshotMetrics metrics_;
  snapshot::SnapshotReceiver receiver_;
  std::deque<snapshot::ReceiverWork> work_;
  std::unique_ptr<snapshot::PartDirectory> part_;
  std::optional<Checking> checking_;
  bool arrived_ = false;       // the RaftActor has it
  Instant begun_;              // at the offer
  bool check_on_way_ = false;  // a CheckMore
  actor::TimerHandle timer_;
};

}  // namespace aspen::replica
