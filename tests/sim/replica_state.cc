// The driver's state machine: ranges are applied, reads served, snapshots taken over.
#include <fmt/format.h>

#include <algorithm>

#include "node/base/assert.h"
#include "tests/sim/replica.h"
#include "tests/sim/slips.h"
#include "tests/sim/workload.h"

namespace aspen::sim {

void Replica::on_commit(const raft::CommitRange& range) {
  world_.record({.what = What::commit,
                 .node = static_cast<std::uint8_t>(node_),
                 .values = {range.after.value, range.through.value}});
  if (range.after != commit_) {
    return world_.oracle().violate(
        "commit ranges follow one another",
        fmt::format("n{} commits ({}, {}] after {}", node_, range.after.value, range.through.value,
                    commit_.value));
  }
  const LogImage& log = disk_.view();
  for (const Entry& entry : range.entries) {
    const Slot* slot = log.at(entry.id.index);
    if (slot != nullptr && slot->entry == entry) continue;
    return world_.oracle().violate(
        "commit range is in the log",
        fmt::format("n{} commits an entry {} that is not in its log", node_, entry.id.index.value));
  }
  commit_ = range.through;
  const Index known = world_.oracle().committed_last();
  const bool leads = core_->soft().role == raft::RoleState::leader;
  world_.oracle().committed(node_, range, soft_.term, leads ? &*core_ : nullptr);
  for (Index i = known + 1; i <= world_.oracle().committed_last(); i = i + 1) {
    world_.workload().in_log(world_.oracle().operation_at(i), LogId{world_.oracle().term_at(i), i});
  }
  start_apply();
}

void Replica::start_apply() {
  if (applying_ || commit_ == state_.applied) return;
  applying_ = commit_;
  const Time latency = dice_.exponential(world_.plan().driver.apply) + 1;
  schedule(world_.now() + latency, Task::apply_done);
}

void Replica::on_apply_done() {
  if (paused_ || !applying_ || world_.oracle().violated()) return;
  while (state_.applied < applying_) {
    const Slot* slot = disk_.view().at(state_.applied + 1);
    if (slot == nullptr) {
      return world_.oracle().violate(
          "log kept for the state (P9)",
          fmt::format("n{} cannot apply {}", node_, state_.applied.value + 1));
    }
    const auto result = state_.apply(slot->entry, slot->chain);
    world_.oracle().applied(node_, state_);
    if (result) world_.workload().applied(node_, slot->entry, *result);
  }
  applying_ = {};
  world_.record({.what = What::applied,
                 .node = static_cast<std::uint8_t>(node_),
                 .values = {state_.applied.value, state_durable_.applied.value}});
  if (crash_at(CrashPoint::at_apply)) return;
  world_.workload().answer_writes(node_, state_.applied);
  serve_reads();
  start_apply();
  enqueue(Lane::disk, raft::Applied{state_.applied, state_durable_.applied});
}

void Replica::serve_reads() {
  std::size_t kept = 0;
  for (const WaitingRead& read : reads_) {
    if (read.index <= state_.applied) {
      world_.workload().answer_read(read.operation, state_);
    } else {
      reads_[kept++] = read;
    }
  }
  reads_.resize(kept);
}

// P8, and a crash at each step of it.
void Replica::install(std::size_t place, const raft::SnapshotMeta& meta, const ModelState& state) {
  ASPEN_ASSERT(running());
  if (meta.id.index <= state_.applied && !slips(Slip::older_snapshot_installed)) {
    return world_.snapshot_ended(place, raft::SnapshotResult::installed);
  }
  if (meta.config != state.config) {
    return world_.oracle().violate(
        "a snapshot carries the configuration at its entry (E1)",
        fmt::format("n{} gets the one of {} with a state at {}, whose is of {}", node_,
                    meta.config.id.index.value, state.applied.value, state.config.id.index.value));
  }
  const auto failed = raft::SnapshotResult::failed;
  if (crash_at(CrashPoint::snapshot_staged)) return world_.snapshot_ended(place, failed);
  state_ = state_durable_ = state;
  snapshot_ = meta.id.index;
  world_.oracle().state_durable(node_, meta.id.index);
  applying_ = {};
  commit_ = std::max(commit_, meta.id.index);
  ++world_.counters().snapshots;
  world_.record({.what = What::installed,
                 .node = static_cast<std::uint8_t>(node_),
                 .values = {meta.id.index.value, meta.id.term.value}});
  world_.oracle().applied(node_, state_);
  if (world_.oracle().violated()) return;
  if (crash_at(CrashPoint::snapshot_switched)) return world_.snapshot_ended(place, failed);
  enqueue(Lane::disk, raft::SnapshotInstalled{meta});
  if (!up()) return world_.snapshot_ended(place, failed);
  serve_reads();
  start_apply();
  world_.snapshot_ended(place, raft::SnapshotResult::installed);
}

void Replica::on_state_durable() {
  schedule(world_.now() + world_.plan().driver.state_every, Task::state_durable);
  if (paused_ || state_durable_.applied == state_.applied) return;
  state_durable_ = state_;
  if (crash_at(CrashPoint::at_state)) return;
  if (dice_.percent(world_.plan().snapshots.permit_percent)) {
    enqueue(Lane::disk, raft::PurgeUpTo{state_durable_.applied});
    if (!up()) return;
  }
  enqueue(Lane::disk, raft::Applied{state_.applied, state_durable_.applied});
}

}  // namespace aspen::sim
