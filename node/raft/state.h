// The whole state of a Core and the functions that move it, one source file per concern:
// core.cc (inputs and flush), inspect.cc (checks), election.cc, replication.cc (leader),
// follower.cc, read_index.cc, membership.cc, transfer.cc, snapshot.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "node/base/prng.h"
#include "node/raft/core.h"
#include "node/raft/disk.h"
#include "node/raft/log_view.h"
#include "node/raft/progress.h"
#include "node/raft/quorum.h"
#include "node/raft/ring.h"

namespace aspen::raft {

// A proposal that is in the log of this leader and not committed.
struct Proposal {
  RequestId request;
  LogId id;
  std::uint64_t size_bytes = 0;
  friend bool operator==(const Proposal&, const Proposal&) noexcept = default;
};

// A read that waits at the leader: its own, or a follower's.
struct LeaderRead {
  ReadId round;       // 0: opened at the next flush
  RequestId request;  // 0: a follower's
  PeerId origin;
  std::uint64_t context = 0;
  friend bool operator==(const LeaderRead&, const LeaderRead&) noexcept = default;
};

// One round of heartbeats that proves that this node still led after the reads arrived.
struct ReadRound {
  ReadId id;
  Index index;
  friend bool operator==(const ReadRound&, const ReadRound&) noexcept = default;
};

// A read that waits at a follower for the leader's answer.
struct FollowerRead {
  RequestId request;
  std::uint64_t context = 0;  // 0: asked at the next flush
  std::uint32_t age_ticks = 0;
  friend bool operator==(const FollowerRead&, const FollowerRead&) noexcept = default;
};

// The change of the configuration that a client waits for.
struct Change {
  RequestId request;
  LogId last;  // the final entry, once it is appended
  friend bool operator==(const Change&, const Change&) noexcept = default;
};

// The leadership is being handed over, or was: until somebody leads, or for an election timeout.
struct Handover {
  RequestId request;
  NodeId to;
  std::uint32_t ticks = 0;
  bool told = false;  // to campaign
  friend bool operator==(const Handover&, const Handover&) noexcept = default;
};

// Who wants an election: the own timeout, or the leader that hands over.
enum class Summons : std::uint8_t { own, by_leader };

struct Core::State {
  explicit State(BootState boot);

  // ---- who, and with which numbers
  PeerId self;
  Tuning tuning;
  Prng prng;

  // ---- durable, or on its way to the disk
  HardState hard_state;
  bool hard_state_dirty = false;
  IoId hard_state_io;  // the last write that holds one
  LogView log;
  Disk disk;
  std::optional<Index> truncate_from;  // of the next write
  std::optional<SnapshotMeta> reset;   // likewise
  std::vector<LoggedConfig> configs;   // ascending; the last is in force
  Quorum quorum;                       // of the configuration in force

  // ---- volatile
  RoleState role = RoleState::follower;
  NodeId leader;
  PeerId term_leader;  // once known, of the whole term
  std::uint32_t election_elapsed = 0;
  std::uint32_t election_wait = 0;  // drawn from [T, 2T)
  std::uint32_t heartbeat_elapsed = 0;
  std::vector<Ballot> ballots;
  Index commit;
  Index delivered;  // handed out for application
  Index applied;
  Index applied_durable;
  Index held;       // known to be durable at every member
  Index permitted;  // the driver lets it go, whoever needs it
  bool was_member = false;
  bool removed = false;
  bool summoned = false;  // candidate: by the leader
  std::optional<Handover> handover;

  // ---- follower
  Index verified;  // equals the log of this term's leader up to here
  Index acknowledged;
  Epoch stream;  // the newest of this term
  bool acknowledge = false;
  Ring<FollowerRead> follower_reads;
  std::uint64_t read_context = 0;

  // ---- leader
  std::vector<Progress> peers;  // ascending by node id
  Epoch last_epoch;
  Index blank;  // the first entry of the own term
  Ring<Proposal> proposals;
  Ring<Proposal> unstable;  // committed by the others, not durable here: they count as well
  std::uint64_t uncommitted_bytes = 0;
  ReadId last_round;
  Ring<LeaderRead> leader_reads;
  Ring<ReadRound> rounds;
  bool heartbeat_due = false;
  std::optional<Change> change;

  // ---- effects of the inputs since the last flush
  std::vector<Send> sends;
  std::vector<ReadGrant> grants;
  std::vector<Completion> completions;
  std::vector<SnapshotRequest> snapshots;
  Ring<Proposal> lost;  // of a leadership that ended
  bool config_changed = false;
  SoftState soft_told;
  std::uint64_t malformed = 0;

  friend bool operator==(const State&, const State&) noexcept = default;

  // ---- core.cc
  [[nodiscard]] Term term() const noexcept { return hard_state.term; }
  [[nodiscard]] SoftState soft() const noexcept { return {role, leader, term(), removed}; }
  [[nodiscard]] const Config& config() const noexcept;
  // What a message that reveals the current term and vote has to wait for (P1).
  [[nodiscard]] IoId after_hard_state() const noexcept;
  // False for a known id with another data directory (P14).
  [[nodiscard]] bool admits(const PeerId& from) const noexcept;
  void send(const PeerId& to, Message message, IoId after);
  void count_malformed() noexcept { ++malformed; }
  void append_entry(Entry entry);
  void truncate(Index from);
  void on(const Tick&);
  void on(Received& received);
  void on(Propose& propose);
  void on(const Read& read);
  void on(const LogDurable& done);
  void on(const Applied& progress);
  void on(const PeerLink& link);
  void on(const Campaign&);
  [[nodiscard]] Effects flush();
  void flush_io(Effects& effects);
  void flush_commit(Effects& effects);
  void flush_lost();
  void flush_leader();

  // ---- inspect.cc
  [[nodiscard]] Metrics metrics() const;
  [[nodiscard]] std::uint64_t hash() const noexcept;
  void invariants() const noexcept;
  void invariants_leader() const noexcept;

  // ---- election.cc
  [[nodiscard]] bool hears_leader() const noexcept;
  [[nodiscard]] bool may_campaign() const noexcept;
  [[nodiscard]] bool may_vote() const noexcept;
  [[nodiscard]] bool up_to_date(const LogId& candidate) const noexcept;
  void draw_election_wait() noexcept;
  [[nodiscard]] bool precedes(const PeerId& other, const PreVote& m) const noexcept;
  void yield_to_candidate() noexcept;
  void tick_election();
  void pre_campaign();
  void campaign(Summons summons);
  void ask_for_votes();
  void count_ballot(NodeId voter, bool granted);
  void maybe_count_own_vote();
  void become_follower(Term term, NodeId new_leader);
  void become_leader();
  void resign();
  void on_message(const PeerId& from, const PreVote& m);
  void on_message(const PeerId& from, const PreVoteReply& m);
  void on_message(const PeerId& from, const Vote& m);
  void on_message(const PeerId& from, const VoteReply& m);

  // ---- replication.cc
  [[nodiscard]] Progress* find_peer(NodeId node) noexcept;
  // A new stream to the peer, which starts at `at` or behind its match.
  void restart_stream(Progress& peer, Index at) noexcept;
  void tick_leader();
  [[nodiscard]] bool heard_by_quorum() const noexcept;
  // What a voter is known to hold on its disk.
  [[nodiscard]] Index match_of(NodeId voter) noexcept;
  void maybe_commit();
  void release_bytes();
  void replicate();
  void replicate_to(Progress& peer);
  bool probe_once(Progress& peer);
  bool send_entries(Progress& peer);
  void send_append(Progress& peer, Index hi);
  void send_spec(Progress& peer);
  void send_heartbeat(Progress& peer);
  [[nodiscard]] bool wants(const PeerId& to, const AppendSpec& spec) const noexcept;
  void on_message(const PeerId& from, const AppendReply& m);
  void on_message(const PeerId& from, const HeartbeatReply& m);
  void take_acceptance(Progress& peer, Index match);
  void on_refused(Progress& peer, const AppendReply& m);

  // ---- follower.cc
  void follow(const PeerId& from);
  void on_message(const PeerId& from, Append& m);
  void on_message(const PeerId& from, const Heartbeat& m);
  [[nodiscard]] bool holds(const LogId& prev) const noexcept;
  [[nodiscard]] static bool readable(const std::vector<Entry>& entries) noexcept;
  [[nodiscard]] bool plausible(const Append& m) const noexcept;
  void take_entries(std::vector<Entry>& entries);
  void commit_to(Index index) noexcept;
  [[nodiscard]] Index acknowledgeable() const noexcept;
  void flush_acknowledgement();

  // ---- read_index.cc
  void refuse_read(RequestId request, Code reason);
  void open_round();
  void grant_reads();
  void end_leader_reads();
  void end_follower_reads(Code reason);
  void ask_again();
  void tick_follower_reads();
  void flush_follower_reads();
  void on_message(const PeerId& from, const ReadIndex& m);
  void on_message(const PeerId& from, const ReadIndexReply& m);

  // ---- membership.cc
  void refuse(RequestId request, Refusal refusal);
  // Not the leader.
  void refuse_elsewhere(RequestId request);
  [[nodiscard]] bool config_committed() const noexcept;
  [[nodiscard]] LoggedConfig config_at(Index index) const;
  void note_membership() noexcept;
  void append_config(const Config& config);
  [[nodiscard]] bool caught_up(const Progress& peer) const noexcept;
  [[nodiscard]] Refusal refusal_of(const ChangeConfig& asked) noexcept;
  void on(const ChangeConfig& asked);
  void complete_change();
  void advance_membership();
  void end_change();
  void sync_peers();
  void tick_farewells();
  [[nodiscard]] bool pinned(const PeerId& from) noexcept;
  void maybe_retire();

  // ---- transfer.cc
  [[nodiscard]] bool can_succeed(const Progress& peer) const noexcept;
  [[nodiscard]] const Progress* best_successor() const noexcept;
  void on(const Transfer& asked);
  void advance_handover(bool repeat);
  void tick_handover();
  void end_handover(NodeId now_leads);
  void on_message(const PeerId& from, const TimeoutNow& m);

  // ---- snapshot.cc
  [[nodiscard]] Index held_by_all() const noexcept;
  void on(const PurgeUpTo& allowed);
  [[nodiscard]] Index purgeable() noexcept;
  void maybe_purge(Effects& effects);
  void need_snapshot(Progress& peer);
  void maybe_leave_snapshot(Progress& peer) noexcept;
  void on(const SnapshotSent& sent);
  void on(const SnapshotInstalled& done);
  void reset_log(const SnapshotMeta& meta);
};

}  // namespace aspen::raft
