// Situations that a campaign must have seen: a site that is never hit means a hole in the faults or
// the workload. Plain numbers, so that a worker process can hand them over.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace aspen::sim::node {

enum class Site : std::uint8_t {
  write_acknowledged,
  write_through_follower,  // acknowledged by a node that does not lead
  write_refused,           // certainly not applied
  write_retried,           // after such a refusal, and then acknowledged
  write_unknown_applied,   // nobody said so, and it was
  write_unknown_lost,      // nobody said so, and it was not
  swap_failed,             // a comparison did not hold
  pair_written,            // two keys in one transaction
  key_deleted,
  read_at_follower,  // linearizable
  read_local,        // serializable
  read_local_stale,  // and older than what was acknowledged before
  read_at_revision,
  read_compacted,  // refused for that
  compacted,
  answer_late,  // after the client gave up
  refused_no_leader,
  refused_overloaded,
  refused_no_space,
  refused_stopping,
  leader_elected,
  leader_crashed,
  crash_in_init,  // before the cluster was there
  crash_of_all,
  crash_by_power,
  crash_at_io,  // power was lost inside the chosen call
  crash_in_turn,
  crash_with_state_lost,   // applied, not durable: to be applied again
  crash_while_recovering,  // less than 100 ms after its start
  stopped_in_order,
  ended_by_io_error,  // the process ended itself
  ended_by_full_disk,
  ended_by_supervision,
  replica_restarted,  // inside the process
  log_purged,
  actor_killed,
  paused,
  partitioned,
  link_reset,
  bytes_corrupted,
  disk_full_and_back,
  disk_stalled,
  one_outside_at_the_end,
  member_added,
  member_promoted,
  voters_changed,
  member_removed,
  member_replaced,  // removed because its disk was lost, and added again
  leadership_transferred,
  disk_lost,  // of a member
  change_refused,
  change_unknown,
  joint_configuration,  // seen in force
  node_sealed,          // it learned that it was removed
  snapshot_sent,
  snapshot_installed,
  snapshot_resumed,
  sites_end,
};
inline constexpr std::size_t sites = static_cast<std::size_t>(Site::sites_end);
[[nodiscard]] const char* to_string(Site site);

struct Coverage {
  std::array<std::uint64_t, sites> hits{};
  void hit(Site site) noexcept { ++hits[static_cast<std::size_t>(site)]; }
  [[nodiscard]] std::uint64_t of(Site site) const noexcept {
    return hits[static_cast<std::size_t>(site)];
  }
};

struct Counters {
  std::uint64_t simulated_us = 0;
  std::uint64_t healthy_us = 0;  // until the horizon
  std::uint64_t faults = 0;
  std::uint64_t boots = 0;
  std::uint64_t changes = 0;  // revisions
  std::uint64_t writes_done = 0;
  std::uint64_t reads_done = 0;
  std::uint64_t refused = 0;
  std::uint64_t unknown = 0;
  std::uint64_t bytes = 0;  // between nodes
  std::uint64_t disk_operations = 0;
  std::uint64_t wgl_steps = 0;
  std::uint64_t wgl_undecided = 0;
  void add(const Counters& other);
};

}  // namespace aspen::sim::node
