// Known mistakes of other Raft implementations, each of which the tests must notice. A mutant is
// compiled in only where ASPEN_MUTANTS is defined (the library aspen_raft_mutants, for the
// simulator); in the product mutant_active() is a constant false and costs nothing.
//
// Thread: `mutant_in_force` is set by a single-threaded simulator between two runs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace aspen::raft {

enum class Mutant : std::uint8_t {
  none,
  // Elections.
  vote_reply_before_fsync,    // A1: a vote is answered before it is durable
  candidacy_before_fsync,     // A1: votes are asked for, and the own one counted, at once
  vote_cleared_on_step_down,  // A2: stepping down in the same term forgets the vote
  index_first_freshness,      // A3: logs are compared by index before term
  stale_pre_vote_counted,     // A4: a late pre-vote reply counts as a vote
  quorum_of_half,             // A5: half of the voters are a quorum
  leader_never_steps_down,    // A8: no check-quorum
  // Log and commit.
  commit_older_term,             // B1: an entry of an older term is committed by counting
  commit_beyond_verified,        // B2: a follower takes the leader's commit index as it is
  truncate_on_duplicate_append,  // B3: entries behind a duplicate append are dropped
  probe_never_retried,           // B8: a lost probe is not sent again
  uncommitted_bytes_leak,        // B10: committed entries keep counting against the cap
  // Disk.
  ack_beyond_stable,              // D1: a follower acknowledges what is not durable
  heartbeat_match_beyond_stable,  // D1: the same in the reply to a heartbeat
  leader_counts_unstable,         // D1: a leader counts its own log before it is durable
  stable_kept_on_truncation,      // D2: truncation does not lower the durable position
  apply_beyond_stable,            // entries are applied before the own log holds them
  // Reads and clients.
  read_index_before_own_term,  // F1: the commit index of a new leader answers reads
  read_joins_older_round,      // F2: acknowledgements of an earlier round answer a later read
  read_without_quorum,         // F3: a leader answers reads on its own
  lost_reported_as_refused,    // F6: an entry that may still be committed is reported refused
  // Those that need a cluster of their own to show (tests/raft leaves them to the simulator).
  precedence_without_end,  // A6: of two equal pre-candidates one refuses the other for ever
  // Membership and transfer.
  joint_counts_the_union,          // A5: a majority of both halves taken together
  joint_ignores_the_old_half,      // A5, C4: the outgoing voters are not asked
  voters_changed_at_once,          // C7: any set to any set without a joint configuration
  change_before_own_term,          // C1: by a leader that has committed nothing of its term
  changes_overlap,                 // C1: the next change while the last one is not committed
  expect_ignored,                  // the change of one caller undoes another's
  joint_left_before_commit,        // C10: C_new is appended while C_old,new is not committed
  joint_left_by_its_author_only,   // C5: a later leader leaves it open
  config_in_force_when_committed,  // C2: instead of when it is appended
  config_kept_on_truncation,       // C8: an entry is gone, its configuration stays in force
  outgoing_never_campaigns,        // C6: also where its log alone is good enough
  learner_campaigns,               // C3
  learner_refuses_votes,           // C3
  removed_leader_stays,            // C6: it goes on after C_new is committed
  retired_before_commit,           // C6, C10: it goes when C_new is appended
  learner_counts,                  // A5: a learner's acknowledgement makes a majority
  other_incarnation_admitted,      // C9: an empty disk answers under the old name
  transfer_never_given_up,         // F7: proposals are refused for ever
  transfer_vote_refused,           // F7: nobody votes for the target
  // Purging and snapshots.
  purge_point_conflicts,               // B4: what stands at the purge point is not trusted
  purge_beyond_durable_state,          // D, P9: the log goes before the state is durable
  snapshot_of_newest_config,           // E1: not the configuration at the snapshot's entry
  tail_kept_behind_snapshot,           // E2
  old_transfer_counts,                 // E5: the end of an earlier transfer ends this one
  transfer_taken_for_acknowledgement,  // D1: a snapshot under way is counted as durable
};

inline constexpr std::array mutant_names{
    "none",
    "vote_reply_before_fsync",
    "candidacy_before_fsync",
    "vote_cleared_on_step_down",
    "index_first_freshness",
    "stale_pre_vote_counted",
    "quorum_of_half",
    "leader_never_steps_down",
    "commit_older_term",
    "commit_beyond_verified",
    "truncate_on_duplicate_append",
    "probe_never_retried",
    "uncommitted_bytes_leak",
    "ack_beyond_stable",
    "heartbeat_match_beyond_stable",
    "leader_counts_unstable",
    "stable_kept_on_truncation",
    "apply_beyond_stable",
    "read_index_before_own_term",
    "read_joins_older_round",
    "read_without_quorum",
    "lost_reported_as_refused",
    "precedence_without_end",
    "joint_counts_the_union",
    "joint_ignores_the_old_half",
    "voters_changed_at_once",
    "change_before_own_term",
    "changes_overlap",
    "expect_ignored",
    "joint_left_before_commit",
    "joint_left_by_its_author_only",
    "config_in_force_when_committed",
    "config_kept_on_truncation",
    "outgoing_never_campaigns",
    "learner_campaigns",
    "learner_refuses_votes",
    "removed_leader_stays",
    "retired_before_commit",
    "learner_counts",
    "other_incarnation_admitted",
    "transfer_never_given_up",
    "transfer_vote_refused",
    "purge_point_conflicts",
    "purge_beyond_durable_state",
    "snapshot_of_newest_config",
    "tail_kept_behind_snapshot",
    "old_transfer_counts",
    "transfer_taken_for_acknowledgement",
};
static_assert(mutant_names.size() ==
                  static_cast<std::size_t>(Mutant::transfer_taken_for_acknowledgement) + 1,
              "every mutant has a name");

#ifdef ASPEN_MUTANTS
inline Mutant mutant_in_force = Mutant::none;
[[nodiscard]] inline bool mutant_active(Mutant mutant) noexcept {
  return mutant == mutant_in_force;
}
#else
[[nodiscard]] constexpr bool mutant_active(Mutant) noexcept {
  return false;
}
#endif

}  // namespace aspen::raft
