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

using Input = std::variant<Tick, Received, Propose, Read, LogDurable, Applied, PeerLink, Campaign>;

// ---- effects

struct LogIo {
  IoId id;
  std::optional<Index> truncate_from;  // drop this index and all above it, first
  std::optional<HardState> hard_state;
  std::vector<Entry> append;  // contiguous, after what is left
  friend bool operator==(const LogIo&, const LogIo&) noexcept = default;
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

// The end of a proposal or of a read that is not granted.
struct Completion {
  RequestId request;
  Outcome outcome = Outcome::refused;
  LogId id;                // committed: where
  Code reason = Code::ok;  // refused: not_leader, no_leader, overloaded, ...
  NodeId leader;           // a hint, 0 if not known
  friend bool operator==(const Completion&, const Completion&) noexcept = default;
};

struct SoftState {
  RoleState role = RoleState::follower;
  NodeId leader;  // 0 if not known
  Term term;
  friend bool operator==(const SoftState&, const SoftState&) noexcept = default;
};

struct Effects {
  std::optional<LogIo> io;
  std::vector<Send> sends;
  CommitRange commit;
  std::vector<ReadGrant> reads;
  std::vector<Completion> completions;
  std::optional<Config> config;   // set when the configuration in force changed
  std::optional<SoftState> soft;  // set when it changed
  std::optional<Index> purge;     // the log may be purged up to here (P9)
};

// ---- state as recovered from disk

// A configuration and where it stands in the log.
struct LoggedConfig {
  LogId id;
  Config config;
  friend bool operator==(const LoggedConfig&, const LoggedConfig&) = default;
};

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

struct PeerMetrics {
  PeerId peer;
  Index match;
  Index next;
  bool active = false;  // heard from within an election timeout
  // It lost what it had acknowledged: it counts for nothing any more and has to be replaced.
  bool lost_data = false;
  std::uint64_t in_flight_bytes = 0;
  Epoch epoch;  // of the stream to it
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
