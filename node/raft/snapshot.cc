// Purging the log, and snapshots of the state for those who need what is purged (rules P7 to P9).
#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"
#include "node/raft/state.h"

namespace aspen::raft {

// ---- purging

// A peer that waits for a snapshot needs what comes behind it.
Index Core::State::held_by_all() const noexcept {
  ASPEN_ASSERT(role == RoleState::leader);
  Index least = disk.stable();
  for (const Progress& peer : peers) {
    if (peer.leaving()) continue;
    const bool waits = peer.state == ProgressState::snapshot;
    least = std::min(least, waits ? std::max(peer.match, peer.snapshot_from) : peer.counted());
  }
  ASPEN_ASSERT(least <= log.last().index);
  return least;
}

void Core::State::on(const PurgeUpTo& allowed) {
  permitted = std::max(permitted, allowed.index);
}

// P9: nothing that the own state machine may still ask for after a crash; and nothing that a member
// may ask for, unless it lags behind what is kept for it.
Index Core::State::purgeable() noexcept {
  ASPEN_ASSERT(applied_durable <= commit);
  if (role == RoleState::leader) held = std::max(held, held_by_all());
  const Index last = log.last().index;
  const std::uint64_t kept = std::min(last.value, tuning.keep_entries);
  const Index dispensable = std::max({held, permitted, last - kept});
  if (mutant_active(Mutant::purge_beyond_durable_state)) return std::min(applied, dispensable);
  return std::min(applied_durable, dispensable);
}

void Core::State::maybe_purge(Effects& effects) {
  const Index through = purgeable();
  // A node that was removed keeps the entries that say so, until it is sealed.
  if (removed || through < log.purged().index + tuning.purge_entries) return;
  ASPEN_ASSERT(through <= disk.stable());
  ASPEN_ASSERT(through <= commit);
  log.purge(through);
  // P7: whoever holds what is purged accepts what follows, whatever this leader has seen of it.
  for (Progress& peer : peers) {
    if (peer.next > through) continue;
    if (peer.state == ProgressState::snapshot) {
      peer.next = through + 1;  // its transfer goes on
    } else {
      restart_stream(peer, through + 1);
    }
  }
  while (configs.size() > 1 && configs[1].id.index <= through) configs.erase(configs.begin());
  effects.purge = through;
}

// ---- the leader of one that lags

// The peer refuses even what follows the purge point.
void Core::State::need_snapshot(Progress& peer) {
  ASPEN_ASSERT(role == RoleState::leader);
  ASPEN_ASSERT(peer.next == log.purged().index + 1);
  peer.await_snapshot(log.purged().index);
  snapshots.push_back({peer.peer, peer.epoch, log.purged().index});
}

// It turned out to hold what was thought to be missing.
void Core::State::maybe_leave_snapshot(Progress& peer) noexcept {
  if (peer.state != ProgressState::snapshot || peer.match < log.purged().index) return;
  ASPEN_ASSERT(peer.window.empty());
  restart_stream(peer, peer.match + 1);
}

void Core::State::on(const SnapshotSent& sent) {
  ASPEN_ASSERT(sent.to.id != self.id);
  Progress* peer = role == RoleState::leader ? find_peer(sent.to.id) : nullptr;
  // E5: of an earlier stream, or of an earlier leadership.
  if (peer == nullptr || peer->state != ProgressState::snapshot) return;
  if (peer->epoch != sent.epoch && !mutant_active(Mutant::old_transfer_counts)) return;
  const Index last = log.last().index;
  ASPEN_ASSERT(sent.result == SnapshotResult::failed || sent.id.index <= last);
  const bool installed = sent.result == SnapshotResult::installed;
  restart_stream(*peer, installed ? sent.id.index + 1 : log.purged().index + 1);
  // After a failure the next attempt takes its time.
  if (!installed) peer->waiting = 1;
  if (installed && mutant_active(Mutant::transfer_taken_for_acknowledgement)) {
    peer->acknowledged(sent.id.index);
    maybe_commit();
  }
}

// ---- the receiver

// The state is that of the snapshot: the log has to go on from there. If it holds the snapshot's
// entry, it does. Else all of it goes, since entries behind a position at which it conflicts were
// never committed (E2), and nothing of it was acknowledged that is not in the snapshot. What was
// known to be committed beyond it and not durable here comes once more.
void Core::State::on(const SnapshotInstalled& done) {
  const SnapshotMeta& meta = done.meta;
  ASPEN_ASSERT(meta.id.index.value > 0 && meta.id.term.value > 0);
  ASPEN_ASSERT(meta.config.id.index <= meta.id.index);
  if (meta.id.index <= log.purged().index) return;
  // Who had to be brought so far is fit for nothing else just now.
  const Term highest = std::max(term(), meta.id.term);
  if (highest > term() || role != RoleState::follower) become_follower(highest, NodeId());
  const bool same = log.term_at(meta.id.index) == meta.id.term;
  // A committed entry that differs is the end of all guarantees.
  ASPEN_ASSERT(same || meta.id.index > commit);
  if (!same || disk.stable() < meta.id.index) reset_log(meta);
  commit = std::max(commit, meta.id.index);
  delivered = std::max(delivered, meta.id.index);
  applied = std::max(applied, meta.id.index);
  applied_durable = std::max(applied_durable, meta.id.index);
}

void Core::State::reset_log(const SnapshotMeta& meta) {
  ASPEN_ASSERT(role == RoleState::follower);
  ASPEN_ASSERT(meta.id.term <= term());
  if (mutant_active(Mutant::tail_kept_behind_snapshot) && meta.id.index < log.last().index) {
    return;
  }
  ASPEN_ASSERT(delivered <= meta.id.index);
  commit = meta.id.index;
  log = LogView(meta.id, {}, meta.id.index);
  disk.reset(meta.id.index);
  truncate_from.reset();
  reset = meta;
  configs.clear();
  if (!meta.config.config.empty()) configs.push_back(meta.config);
  quorum = Quorum(config());
  config_changed = true;
  verified = Index();
  acknowledged = Index();
  acknowledge = false;
  ASPEN_ASSERT(log.last() == meta.id);
}

}  // namespace aspen::raft
