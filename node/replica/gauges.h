// The replica's metrics.
#pragma once

#include "node/port/telemetry.h"
#include "node/replica/raft_actor.h"

namespace aspen::replica {

struct RaftActor::Gauges {
  explicit Gauges(Telemetry& telemetry)
      : has_leader(telemetry.gauge({"aspen_raft_has_leader", "1 if a leader is known.", {}})),
        is_leader(telemetry.gauge({"aspen_raft_is_leader", "1 if this node leads.", {}})),
        is_learner(telemetry.gauge({"aspen_raft_is_learner", "1 if this node is a learner.", {}})),
        term(telemetry.gauge({"aspen_raft_term", "The current term.", {}})),
        commit_index(telemetry.gauge({"aspen_raft_commit_index", "The commit index.", {}})),
        applied_index(telemetry.gauge({"aspen_raft_applied_index", "The applied index.", {}})),
        stable_index(telemetry.gauge(
            {"aspen_raft_stable_index", "The last index that is durable on the own disk.", {}})),
        proposals_pending(telemetry.gauge(
            {"aspen_raft_proposals_pending", "Proposals of this node's clients in flight.", {}})),
        db_size(telemetry.gauge({"aspen_db_size_bytes", "Bytes of the state store on disk.", {}})),
        db_in_use(telemetry.gauge(
            {"aspen_db_in_use_bytes", "Bytes of live data in the state store, estimated.", {}})),
        disk_full(telemetry.gauge(
            {"aspen_disk_full", "1 while proposals are refused for want of disk space.", {}})),
        leader_changes(telemetry.counter({"aspen_raft_leader_changes_seen_total",
                                          "Changes of leader that this node has seen.",
                                          {}})),
        proposals_committed(telemetry.counter({"aspen_raft_proposals_committed_total",
                                               "Entries committed, as this node knows.",
                                               {}})),
        proposals_applied(telemetry.counter(
            {"aspen_raft_proposals_applied_total", "Entries applied by this node.", {}})),
        proposals_failed(
            telemetry.counter({"aspen_raft_proposals_failed_total",
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
  Gauge& disk_full;
  Counter& leader_changes;
  Counter& proposals_committed;
  Counter& proposals_applied;
  Counter& proposals_failed;
};

}  // namespace aspen::replica
