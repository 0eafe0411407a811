// The replica's metrics.
#pragma once

#include "node/base/assert.h"
#include "node/port/telemetry.h"
#include "node/replica/disk_metrics.h"
#include "node/replica/raft_actor.h"
#include "node/replica/slow_reads.h"
#include "node/replica/snapshot_metrics.h"

namespace aspen::replica {

// Series of what this version does not have, so that dashboards find the whole list: there is no
// quota, and nobody watches.
inline void register_absent(Telemetry& telemetry) {
  telemetry.gauge({"aspen_quota_bytes", "Size the state store may have; 0: no quota.", {}}).set(0);
  telemetry.gauge({"aspen_watch_streams", "Watch streams of clients that are open.", {}}).set(0);
}

// Series that the children fill, so that they are there before a child is.
inline void register_early(Telemetry& telemetry) {
  ASPEN_MAYBE(&fsync_seconds_of(telemetry));
  ASPEN_MAYBE(&log_bytes_of(telemetry));
  ASPEN_MAYBE(&apply_seconds_of(telemetry));
  ASPEN_MAYBE(SnapshotMetrics(telemetry));
}

struct RaftActor::Gauges {
  explicit Gauges(Telemetry& telemetry)
      : has_leader(telemetry.gauge({"aspen_raft_has_leader", "1 if a leader is known.", {}})),
        is_leader(telemetry.gauge({"aspen_raft_is_leader", "1 if this node leads.", {}})),
        is_learner(telemetry.gauge({"aspen_raft_is_learner", "1 if this node is a learner.", {}})),
        term(telemetry.gauge({"aspen_raft_term", "The current term.", {}})),
        commit_index(telemetry.gauge({"aspen_commit_index", "The commit index.", {}})),
        applied_index(telemetry.gauge({"aspen_applied_index", "The applied index.", {}})),
        stable_index(telemetry.gauge(
            {"aspen_stable_index", "The last index that is durable on the own disk.", {}})),
        proposals_pending(telemetry.gauge(
            {"aspen_proposals_pending", "Proposals of this node's clients in flight.", {}})),
        db_size(telemetry.gauge({"aspen_db_size_bytes", "Bytes of the state store on disk.", {}})),
        db_in_use(telemetry.gauge(
            {"aspen_db_in_use_bytes", "Bytes of live data in the state store, estimated.", {}})),
        slow_reads(slow_reads_of(telemetry)),
        disk_full(telemetry.gauge(
            {"aspen_disk_full", "1 while proposals are refused for want of disk space.", {}})),
        leader_changes(telemetry.counter(
            {"aspen_leader_changes_seen_total", "Changes of leader that this node has seen.", {}})),
        proposals_committed(telemetry.counter(
            {"aspen_proposals_committed_total", "Entries committed, as this node knows.", {}})),
        proposals_applied(telemetry.counter(
            {"aspen_proposals_applied_total", "Entries applied by this node.", {}})),
        stale_completions(telemetry.counter(
            {"aspen_stale_completions_total",
             "Completions of disk and state that came after a restart of the replica.",
             {}})),
        proposals_failed(
            telemetry.counter({"aspen_proposals_failed_total",
                               "Proposals of this node's clients that were refused or timed out.",
                               {}})) {}

  Gauge& has_leader;
  Gauge& is_leader;
  Gauge& is_learner;
  Gauge& term;
  Gauge& commit_index;
  Gauge& applied_index;
  Gauge& stable_index;
  Gauge& proposals_pending;
  Gauge& db_size;
  Gauge& db_in_use;
  Counter& slow_reads;
  Gauge& disk_full;
  Counter& leader_changes;
  Counter& proposals_committed;
  Counter& proposals_applied;
  Counter& stale_completions;
  Counter& proposals_failed;
};

}  // namespace aspen::replica
