// The consensus core of one replica: a value. It has no clock, no I/O, no locks and no randomness
// but the generator it was given; it can be copied, compared and hashed. A driver (the RaftActor,
// or the simulator) feeds it inputs with step() and, after a batch of them, calls flush() once: the
// effects of a whole batch are one log append, one message stream per peer and one commit range.
//
// Owner and thread: exactly one driver; not thread-safe. Bounds: base/limits.h and Tuning.
// Contract of the driver (reference: Raft thesis; rules P1-P6, P9-P13):
//   - LogIo is executed in the order of its ids and may be merged with its neighbours; its parts
//   are
//     durable in the order truncate, hard state, append; a crash may leave any prefix, no hole.
//   - At most limits::log_io_in_flight_max LogIo are not durable; more are not given out.
//   - LogDurable is cumulative. A failed write or fsync is never reported: the process ends.
//   - A Send leaves at once if `after` is 0, otherwise when LogDurable has reached it; sends to one
//     peer keep their order among those that are released together.
//   - AppendSpec: the driver reads entries lo..hi from the log; if the term at hi is not term_hi
//   any
//     more, or the entries are purged, it drops the message, and never sends it. It may send fewer
//     entries than asked for, at least the first: as many as fit into Tuning.append_bytes.
//   - CommitRange is safe to apply: it is committed and durable in the own log (2.2 rule 5).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "node/base/entry.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/membership.h"
#include "node/base/prng.h"
#include "node/raft/message.h"

namespace aspen::raft {

// Names a client request to the core; chosen by the driver, unique within one boot, not 0.
using RequestId = Id<struct RequestIdTag>;
// A write to the log; strictly growing, never reused within one boot. 0: nothing to wait for.
using IoId = Id<struct IoIdTag>;

enum class RoleState : std::uint8_t { follower, pre_candidate, candidate, leader };

// Values within limits that the simulator randomises per seed.
struct Tuning {
  std::uint32_t election_ticks_min = 100;  // T; each wait is drawn from [T, 2T)
  std::uint32_t heartbeat_ticks = 10;      // at most T / 3
  std::uint64_t append_bytes = 512 * 1024;
  std::uint64_t window_bytes = 8 * 1024 * 1024;
  std::uint32_t window_appends = 16;
  // Rounds of read-index in flight. Reads that arrive meanwhile share the next one: few rounds make
  // many reads a round, and a read waits for at most one round more.
  std::uint32_t read_rounds = 1;
  std::uint64_t uncommitted_bytes = 64 * 1024 * 1024;
  std::uint64_t tail_bytes = 16 * 1024 * 1024;  // committed and stable payloads kept for followers
  std::uint64_t purge_entries = 1024;           // the least that a purge frees
  // Entries kept for followers that lag; one that lags more needs a snapshot. By default nothing is
  // purged that a member still needs, since the driver has to be able to send snapshots.
  std::uint64_t keep_entries = std::uint64_t{1} << 62U;
  // A learner that lags behind the commit index by more is not promoted when it has to catch up.
  std::uint64_t promotion_lag = 1000;
  friend bool operator==(const Tuning&, const Tuning&) noexcept = default;

  // Possible errors: invalid_argument, naming the field and its range.
  [[nodiscard]] Result<void> validate() const noexcept;
};

// ---- inputs

struct Tick {};
struct Received {
  PeerId from;
  Message message;
};
struct Propose {
  RequestId request;
  EntryKind kind = EntryKind::command;
  Bytes payload;
};
// A linearizable read. On a follower it asks the leader.
struct Read {
  RequestId request;
};
// All I/O up to `io` is durable.
struct LogDurable {
  IoId io;
};
// The state machine has applied up to here. `durable`: what would survive a crash (P9).
struct Applied {
  Index index;
  Index durable;
};
// A hint of the transport, which may be wrong: the link to a peer came up or broke.
struct PeerLink {
  PeerId peer;
  bool up = false;
};
// Makes a voter campaign now, without waiting for its timeout: the node that executed Init.
struct Campaign {};

enum class Promotion : std::uint8_t { when_caught_up, at_once };

// From the configuration in force to `to`. Whatever leaves the set of voters as it is, is one
// entry; all else goes through a joint configuration, which is left by itself. Completed when the
// final entry is committed: its LogId is what the next change has to expect.
struct ChangeConfig {
  RequestId request;
  Config to;     // at rest
  LogId expect;  // the configuration in force (compare and set)
  Promotion promotion = Promotion::when_caught_up;
};
// Hands the leadership over. While that goes on proposals are refused; after an election timeout it
// is given up. Completed as committed when `to` leads.
struct Transfer {
  RequestId request;
  NodeId to;  // 0: the voter that lags least
};

// A configuration and where it stands in the log.
struct LoggedConfig {
  LogId id;
  Config config;
  friend bool operator==(const LoggedConfig&, const LoggedConfig&) = default;
};
// What a snapshot of the state stands for in the log.
struct SnapshotMeta {
  LogId id;
  LoggedConfig config;  // in force at `id`, with both halves if joint
  friend bool operator==(const SnapshotMeta&, const SnapshotMeta&) = default;
};
enum class SnapshotResult : std::uint8_t { installed, failed };
// Leader: how the snapshot ended that Effects.snapshots asked for.
struct SnapshotSent {
  PeerId to;
  Epoch epoch;
  LogId id;
  SnapshotResult result = SnapshotResult::failed;
};
// Receiver: the state machine is that of the snapshot now, durable (P8). Precondition: it was
// behind meta.id before; ranges handed out and not applied are void up to there.
struct SnapshotInstalled {
  SnapshotMeta meta;
};
// The driver's permission to purge up to here although a member may need it, because of the bytes.
struct PurgeUpTo {
  Index index;
};

using Input = std::variant<Tick, Received, Propose, Read, LogDurable, Applied, PeerLink, Campaign,
                           ChangeConfig, Transfer, SnapshotSent, SnapshotInstalled, PurgeUpTo>;

// ---- effects

struct LogIo {
  IoId id;
  // Drop the whole log, first: it goes on behind this snapshot, whose configuration it keeps.
  std::optional<SnapshotMeta> reset;
  std::optional<Index> truncate_from;  // drop this index and all above it
  std::optional<HardState> hard_state;
  std::vector<Entry> append;  // contiguous, after what is left
  friend bool operator==(const LogIo&, const LogIo&) = default;
};

struct AppendSpec {
  Term term;
  LogId prev;
  Index lo;  // first entry
  Index hi;  // last entry, hi >= lo
  Term term_hi;
  Index commit;
  Epoch epoch;
  friend bool operator==(const AppendSpec&, const AppendSpec&) noexcept = default;
};

struct Send {
  PeerId to;
  std::variant<Message, AppendSpec> what;
  IoId after;
  friend bool operator==(const Send&, const Send&) noexcept = default;
};

// (after, through]; empty if equal. `entries` are those still held in memory, the newest part of
// the range; entries below entries.front() are read from the log by the driver.
struct CommitRange {
  Index after;
  Index through;
  std::vector<Entry> entries;
};

// A read may be served from state that has applied `index`.
struct ReadGrant {
  RequestId request;
  Index index;
  friend bool operator==(const ReadGrant&, const ReadGrant&) noexcept = default;
};

enum class Outcome : std::uint8_t {
  committed,    // at `id`
  refused,      // never entered the log: safe to retry
  overwritten,  // was in the log, another term is committed in its place: safe to retry
  unknown,      // this replica stopped leading; the entry may still be committed
};

// Why a change of the configuration or a transfer of the leadership was refused.
enum class Refusal : std::uint8_t {
  none,
  leader_is_new,        // it has committed nothing of its own term yet; try again
  change_in_flight,     // the configuration in force is joint or not committed yet; try again
  transferring,         // the leadership is being handed over; try again
  stale_expect,         // another configuration is in force than expected
  malformed,            // unordered, id 0, not at rest, one data directory twice, or too large
  no_voter,             // nobody could decide anything any more
  too_many_voters,      // limits::voters_max
  too_many_members,     // limits::members_max, the old ones included
  incarnation_changed,  // a member's data directory was exchanged: it needs a new id
  not_caught_up,        // a new voter lags, or was not heard
  no_target,            // nobody could take over, or `to` is no voter, or the leader itself
};
// With the request's fault (invalid_argument, wrong_incarnation), the cluster's present state
// (failed_precondition), or a reason that passes (unavailable).
[[nodiscard]] Error error_of(Refusal refusal) noexcept;

// The end of a proposal, a change or a transfer, or of a read that is not granted.
struct Completion {
  RequestId request;
  Outcome outcome = Outcome::refused;
  LogId id;                // committed: where
  Code reason = Code::ok;  // refused: not_leader, no_leader, overloaded, unavailable, ...
  NodeId leader;           // a hint, 0 if not known
  Refusal refusal = Refusal::none;
  friend bool operator==(const Completion&, const Completion&) noexcept = default;
};

struct SoftState {
  RoleState role = RoleState::follower;
  NodeId leader;  // 0 if not known
  Term term;
  // A committed configuration lacks this node, an earlier one had it: its time is over.
  bool removed = false;
  friend bool operator==(const SoftState&, const SoftState&) noexcept = default;
};

// A peer needs what is purged: a snapshot of the state at `at_least` or later. Asked once for each
// stream; the driver answers with SnapshotSent, in any case.
struct SnapshotRequest {
  PeerId to;
  Epoch epoch;
  Index at_least;
  friend bool operator==(const SnapshotRequest&, const SnapshotRequest&) noexcept = default;
};

struct Effects {
  std::optional<LogIo> io;
  std::vector<Send> sends;
  CommitRange commit;
  std::vector<ReadGrant> reads;
  std::vector<Completion> completions;
  std::vector<SnapshotRequest> snapshots;
  std::optional<LoggedConfig> config;  // set when the configuration in force changed
  std::optional<SoftState> soft;       // set when it changed
  std::optional<Index> purge;          // the log may be purged up to here (P9)
};

// ---- state as recovered from disk

// Entries [from, the next run's from) have this term.
struct TermRun {
  Index from;
  Term term;
  friend bool operator==(const TermRun&, const TermRun&) noexcept = default;
};

struct BootState {
  PeerId self;
  HardState hard_state;
  LogId purged;               // entries up to here are gone; 0 if nothing was purged
  std::vector<TermRun> runs;  // of (purged, last]
  Index last;                 // last durable entry; purged.index if the log is empty
  // Every configuration of (purged, last], and before them the one in force at the purge point;
  // ascending. The last is in force, the others serve rollback on truncation. Empty: not known
  // yet, the replica never campaigns.
  std::vector<LoggedConfig> configs;
  Index applied;  // by the state machine; entries up to here were committed
  // What of it would survive a crash: a state machine that was not closed may be ahead of its disk.
  // Absent: all.
  std::optional<Index> durable;
  std::uint64_t seed = 0;  // another one at every boot: the contexts of reads are drawn from it
  Tuning tuning;
};

enum class ProgressState : std::uint8_t { probe, replicate, snapshot };

struct PeerMetrics {
  PeerId peer;
  Index match;
  Index next;
  bool active = false;  // heard from within an election timeout
  // It lost what it had acknowledged: it counts for nothing any more and has to be replaced.
  bool lost_data = false;
  std::uint64_t in_flight_bytes = 0;
  Epoch epoch;  // of the stream to it
  ProgressState state = ProgressState::probe;
  bool caught_up = false;  // may be promoted
  bool leaving = false;    // no member any more, and told so
};

struct Metrics {
  SoftState soft;
  LogId last;
  Index stable;
  LogId commit;
  LogId applied;
  LogId config;  // the entry of the configuration in force
  LogId purged;
  std::optional<PeerId> vote;
  std::uint64_t uncommitted_bytes = 0;
  std::uint64_t reads_pending = 0;
  std::uint64_t malformed = 0;     // messages that contradict themselves or what is known; dropped
  bool joint = false;              // the configuration in force
  NodeId transfer_to;              // 0: no transfer under way
  std::vector<PeerMetrics> peers;  // empty unless leading
};

class Core {
 public:
  // Precondition: `boot` is what a log store recovered, tuning.validate() succeeded.
  explicit Core(BootState boot);
  Core(const Core&);
  Core& operator=(const Core&);
  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;
  ~Core();

  void step(Input input);
  [[nodiscard]] Effects flush();

  [[nodiscard]] const Config& config() const noexcept;
  // In force at an entry; empty if that is not known. Precondition: purge point <= index <= last.
  [[nodiscard]] LoggedConfig config_at(Index index) const;
  [[nodiscard]] SoftState soft() const noexcept;
  [[nodiscard]] Metrics metrics() const;
  // False if what was asked for with `spec` is not wanted any more: the driver drops the answer.
  [[nodiscard]] bool wants(const PeerId& to, const AppendSpec& spec) const noexcept;
  // Term of an entry of the log, if it is not purged.
  [[nodiscard]] std::optional<Term> term_at(Index index) const noexcept;

  friend bool operator==(const Core& a, const Core& b) noexcept;
  [[nodiscard]] std::uint64_t hash() const noexcept;

  // Asserts every state rule of reference 2.5; changes nothing.
  void invariants() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aspen::raft
