// The RaftActor between the core, which asks for snapshots, and the actors that carry them.
#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/replica/errors.h"
#include "node/replica/gauges.h"
#include "node/replica/raft_actor.h"
#include "node/replica/snapshot_exporter.h"
#include "node/replica/snapshot_importer.h"

namespace aspen::replica {

namespace {

// One that ends takes the replica with it, which knows what it was asked for.
actor::ChildOptions child(const char* name, std::size_t worker) {
  actor::ChildOptions options;
  options.name = name;
  options.restart = actor::Restart::permanent;
  options.restarts_max = 0;
  options.worker = worker;
  return options;
}

}  // namespace

void RaftActor::spawn_snapshots(Context& context) noexcept {
  if (ports_.files == nullptr) return;
  ASPEN_ASSERT(!ports_.snapshot_directory.empty());
  exporter_ = context.spawn<SnapshotExporter>(
      child("snapshot-exporter", options_.snapshot_worker),
      SnapshotExporter::Parts{*ports_.files, ports_.snapshot_directory, ports_.state, ports_.peers,
                              context.self(), boot_, identity_.cluster, identity_.self.id,
                              options_.snapshot_bytes_per_second, ports_.log, ports_.telemetry});
  const auto room = [free = ports_.free_bytes, reserve = options_.reserve_bytes] {
    const std::uint64_t bytes = free();
    return bytes - std::min(bytes, reserve);
  };
  importer_ = context.spawn<SnapshotImporter>(
      child("snapshot-importer", options_.snapshot_worker),
      SnapshotImporter::Parts{*ports_.files, ports_.snapshot_directory, ports_.state, ports_.peers,
                              context.self(), boot_, identity_.cluster, room, ports_.log,
                              ports_.telemetry});
}

// ---- the sending side

void RaftActor::request_snapshots(const std::vector<raft::SnapshotRequest>& requests) noexcept {
  for (const raft::SnapshotRequest& each : requests) {
    const Term term = core_->soft().term;
    const bool asked =
        exporter_ && exporter_.tell(SendSnapshot{each.to, each.epoch, each.at_least, term});
    if (asked) continue;
    routed_ = true;
    core_->step(raft::SnapshotSent{each.to, each.epoch, LogId(), raft::SnapshotResult::failed});
  }
}

void RaftActor::on(SnapshotEnded&& message, Context&) noexcept {
  if (!is_current(message.boot)) return;
  ASPEN_ASSERT(core_.has_value());
  core_->step(raft::SnapshotSent{message.to, message.epoch, message.id, message.result});
}

void RaftActor::on(TakeSnapshot&& message, actor::Responder<SnapshotTaken>&& responder,
                   Context&) noexcept {
  if (!core_.has_value()) {
    const Error why = identity_.initialised() ? error_starting : error_uninitialised;
    return responder.fail(why);
  }
  if (!exporter_) return responder.fail(Error{Code::unsupported, "this node makes no snapshots"});
  message.at_least = std::max(message.at_least, applied_);
  // If it fails, the responder has answered.
  ASPEN_MAYBE(exporter_.request(std::move(message), std::move(responder)).has_value());
}

// A member that is gone must not hold the log for ever: it gets a snapshot when it comes back.
void RaftActor::permit_purge() noexcept {
  if (!exporter_ || options_.log_bytes_max == 0) return;
  const raft::Metrics metrics = core_->metrics();
  const bool transfer = std::ranges::any_of(metrics.peers, [](const raft::PeerMetrics& peer) {
    return peer.active && peer.state == raft::ProgressState::snapshot;
  });
  const std::uint64_t factor = transfer ? options_.log_factor_in_transfer : 1;
  ASPEN_ASSERT(factor > 0);
  const Index through = log_->purge_for(options_.log_bytes_max * factor);
  if (through > metrics.purged.index) core_->step(raft::PurgeUpTo{through});
}

// ---- the receiving side

void RaftActor::on(SnapshotReceived&& message, Context&) noexcept {
  if (!core_.has_value() || !exporter_ || identity_.removed) return;
  const bool to_sender = std::holds_alternative<snapshot::Want>(message.message) ||
                         std::holds_alternative<snapshot::Verdict>(message.message);
  if (to_sender) {
    ASPEN_MAYBE(exporter_.tell(std::move(message)).has_value());
    return;
  }
  const auto* offer = std::get_if<snapshot::Offer>(&message.message);
  if (offer != nullptr && offer->term < core_->soft().term) return;  // of a leader that was
  message.applied = applied_;
  ASPEN_MAYBE(importer_.tell(std::move(message)).has_value());
}

void RaftActor::on(SnapshotArrived&& message, Context&) noexcept {
  if (!is_current(message.boot)) return;
  ASPEN_ASSERT(core_.has_value());
  ASPEN_ASSERT(!installation_.has_value());
  const LogId id = message.meta.id;
  installation_ = Installation{std::move(message.meta), false, std::nullopt};
  // The log has brought this replica there meanwhile.
  if (id.index <= handed_over_through_) return settle_installation({});
  const Result<void> told = applier_.tell(InstallState{std::move(message.directory), id});
  if (!told) settle_installation(told);
}

void RaftActor::on(StateInstalled&& message, Context&) noexcept {
  if (!is_current(message.boot)) return;
  ASPEN_ASSERT(core_.has_value());
  ASPEN_ASSERT(installation_.has_value());
  if (!message.result) return settle_installation(message.result);
  const LogId id = installation_->meta.id;
  ASPEN_ASSERT(message.applied >= id.index);
  // By the log, while it was on its way.
  if (message.applied > id.index) return settle_installation({});
  installation_->in_state = true;
  fail_covered_by_snapshot();
  applied_ = std::max(applied_, id.index);
  revision_ = message.revision;
  handed_over_through_ = std::max(handed_over_through_, id.index);
  applied_term_ = std::max(applied_term_, id.term);
  while (!handed_over_.empty() && handed_over_.front().through <= applied_) {
    handed_over_bytes_ -= handed_over_.front().bytes;
    handed_over_.pop_front();
  }
  core_->step(raft::SnapshotInstalled{installation_->meta});
  // Otherwise the log holds the snapshot's last entry, durable, and stays.
  if (core_->metrics().purged != id) settle_installation({});
}

// A proposal may be among the entries that this replica will never see: whether it took effect is
// not known, and it must not be proposed again.
void RaftActor::fail_covered_by_snapshot() noexcept {
  ASPEN_ASSERT(installation_.has_value());
  std::vector<std::uint64_t> attempted;
  proposals_.for_each([&attempted](std::uint64_t sequence, const Proposal& proposal) {
    if (proposal.attempted != Term()) attempted.push_back(sequence);
  });
  for (const std::uint64_t sequence : attempted) {
    gauges_->proposals_failed.add(1);
    proposals_.take(sequence)->responder.fail(error_unknown);
  }
  if (!apply_ || apply_->range.through > installation_->meta.id.index) return;
  for (Waiting& each : apply_->waiting) each.responder.fail(error_unknown);
  apply_.reset();
}

void RaftActor::note_reset(const std::optional<raft::LogIo>& io) noexcept {
  if (!io || !io->reset) return;
  ASPEN_ASSERT(installation_.has_value() && installation_->in_state);
  ASPEN_ASSERT(io->reset->id == installation_->meta.id);
  installation_->io = io->id;
}

void RaftActor::note_durable(raft::IoId io) noexcept {
  const bool done = installation_ && installation_->io && *installation_->io <= io;
  if (done) settle_installation({});
}

// Rule P8: only now the sender is told.
void RaftActor::settle_installation(const Result<void>& result) noexcept {
  ASPEN_ASSERT(installation_.has_value());
  installation_.reset();
  // It waits for nothing else; one that has ended takes the replica with it.
  ASPEN_MAYBE(importer_.tell(ArrivalSettled{result}).has_value());
}

}  // namespace aspen::replica
