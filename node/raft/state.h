// The whole state of a Core and the functions that move it, one source file per concern:
// core.cc (inputs and flush), inspect.cc (checks), election.cc, replication.cc (leader),
// follower.cc, read_index.cc.
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
  Index held;  // known to be durable at every member

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

  // ---- effects of the inputs since the last flush
  std::vector<Send> sends;
  std::vector<ReadGrant> grants;
  std::vector<Completion> completions;
  Ring<Proposal> lost;  // of a leadership that ended
  bool config_changed = false;
  SoftState soft_told;
  std::uint64_t malformed = 0;

  friend bool operator==(const State&, const State&) noexcept = default;

  // ---- core.cc
  [[nodiscard]] Term term() const noexcept { return hard_state.term; }
  [[nodiscard]] SoftState soft() const noexcept { return {role, leader, term()}; }
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
  void maybe_purge(Effects& effects);

  // ---- inspect.cc
  [[nodiscard]] Metrics metrics() const;
  [[nodiscard]] std::uint64_t hash() const noexcept;
  void invariants() const noexcept;
  void invariants_leader() const noexcept;

  // ---- election.cc
  [[nodiscard]] bool hears_leader() const noexcept;
  [[nodiscard]] bool up_to_date(const LogId& candidate) const noexcept;
  void draw_election_wait() noexcept;
  [[nodiscard]] bool precedes(const PeerId& other, const PreVote& m) const noexcept;
  void yield_to_candidate() noexcept;
  void tick_election();
  void pre_campaign();
  void campaign();
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
  void start_streams();
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
  [[nodiscard]] Index held_by_all() const noexcept;
  void on_message(const PeerId& from, const AppendReply& m);
  void on_message(const PeerId& from, const HeartbeatReply& m);
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
};

}  // namespace aspen::raft
