// Drives the consensus core of this node's replica. A turn drains its mailbox by priority (disk
// completions, Raft traffic, reads, proposals), steps the core for each message, and flushes it
// once: one log append, one message stream per peer, one commit range. It never waits: what waits
// is a slot in a bounded table with a deadline.
//
// A proposal is bound to the term it was proposed or forwarded in. Entries of a term precede those
// of later terms in the log, so once an entry of a later term is handed over to the applier, a
// proposal that was not handed over before certainly never takes effect: it is proposed again, and
// its client notices latency only. What is not known at the deadline is reported as unknown.
//
// Owner: the replica's supervisor. A restart rebuilds everything from disk, under the same ref.
// Bounds: requests_pending_max proposals and as many reads; controls_pending_max changes of the
// membership; replica_mailbox_max messages.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "node/actor/actor.h"
#include "node/base/prng.h"
#include "node/port/clock.h"
#include "node/port/entropy.h"
#include "node/port/fatal.h"
#include "node/port/file_system.h"
#include "node/port/health.h"
#include "node/port/log.h"
#include "node/port/log_store.h"
#include "node/port/state_store.h"
#include "node/port/telemetry.h"
#include "node/replica/identity.h"
#include "node/replica/log_reads.h"
#include "node/replica/parked.h"
#include "node/replica/peers.h"
#include "node/replica/protocols.h"
#include "node/replica/sequence_table.h"

namespace aspen::replica {

// What a replica is built on. All outlive it.
struct ReplicaPorts {
  const Clock& clock;
  Entropy& entropy;
  IdentityStore& identity;
  // Opens the log of an initialised identity. Called at each start of the RaftActor, on the worker
  // of the log.
  std::function<Result<std::shared_ptr<LogStore>>(const Identity&)> open_log;
  StateStore& state;
  // What may still be written to the disk of the data directory. Called now and then.
  std::function<std::uint64_t()> free_bytes;
  Peers& peers;
  HealthBoard& health;
  Telemetry& telemetry;
  LogSink& log;
  Fatal& fatal;
  // Where snapshots are made and put together: on the state's file system. Null: there are none,
  // and the log is purged only of what no member needs.
  FileSystem* files = nullptr;
  std::string snapshot_directory = {};
};

struct ReplicaOptions {
  Duration election_timeout = std::chrono::seconds(1);
  Duration heartbeat_interval = std::chrono::milliseconds(100);
  // Home workers of the actors that may block.
  std::size_t log_worker = 1;
  std::size_t state_worker = 2;
  std::size_t read_worker = 3;
  std::size_t log_read_worker = 4;
  // Below so much free space proposals and appends are refused, so that votes and the state store
  // have room. More than what the log itself leaves free.
  std::uint64_t reserve_bytes = 0;
  // Of exporter and importer, which read and write whole states.
  std::size_t snapshot_worker = 5;
  // A member that lags by more than such a log gets a snapshot.
  std::uint64_t log_bytes_max = 512ULL * 1024 * 1024;
  // So many times as much is kept while a snapshot is on its way, for what comes behind it.
  std::uint64_t log_factor_in_transfer = 4;
  // All snapshots that this node sends together; 0: no limit.
  std::uint64_t snapshot_bytes_per_second = 64ULL * 1024 * 1024;
};

class RaftActor final : public actor::Actor<RaftActor, RaftProtocol> {
 public:
  using Context = actor::Context<RaftActor>;

  RaftActor(const ReplicaPorts& ports, const ReplicaOptions& options);
  ~RaftActor();

  Result<void> pre_start(Context& context) noexcept;
  void post_stop(Context& context) noexcept;
  void batch_end(Context& context) noexcept;

  void on(Propose&& message, CommandResponder&& responder, Context& context) noexcept;
  void on(Read&& message, ReadResponder&& responder, Context& context) noexcept;
  void on(LocalRead&& message, ReadResponder&& responder, Context& context) noexcept;
  void on(GetView&& message, actor::Responder<ReplicaView>&& responder, Context& context) noexcept;
  void on(PeerMessage&& message, Context& context) noexcept;
  void on(PeerLinkChanged&& message, Context& context) noexcept;
  void on(ForwardReceived&& message, Context& context) noexcept;
  void on(ForwardRefused&& message, Context& context) noexcept;
  void on(Initialised&& message, Context& context) noexcept;
  void on(IdentityDoubted&& message, Context& context) noexcept;
  void on(LogDone&& message, Context& context) noexcept;
  void on(LogStalled&& message, Context& context) noexcept;
  void on(AppliedUpTo&& message, Context& context) noexcept;
  void on(LogRead&& message, Context& context) noexcept;
  void on(RaftTick&& message, Context& context) noexcept;
  void on(OpenAgain&& message, Context& context) noexcept;
  void on(Control&& message, actor::Responder<ControlAnswer>&& responder,
          Context& context) noexcept;
  void on(HandOver&& message, actor::Responder<HandedOver>&& responder, Context& context) noexcept;
  void on(ControlReceived&& message, Context& context) noexcept;
  void on(ControlAnswered&& message, Context& context) noexcept;
  void on(AddressProbed&& message, Context& context) noexcept;
  void on(MemberFound&& message, Context& context) noexcept;
  void on(MemberPlaced&& message, Context& context) noexcept;
  void on(SnapshotReceived&& message, Context& context) noexcept;
  void on(SnapshotEnded&& message, Context& context) noexcept;
  void on(SnapshotArrived&& message, Context& context) noexcept;
  void on(StateInstalled&& message, Context& context) noexcept;
  void on(TakeSnapshot&& message, actor::Responder<SnapshotTaken>&& responder,
          Context& context) noexcept;
  void on(Introduced&& message, Context& context) noexcept;

 private:
  struct Proposal {
    Bytes request;
    Instant deadline;
    CommandResponder responder;
    bool physical = false;
    Term attempted;  // in which it was proposed or forwarded; 0: it waits for a leader
  };
  struct PendingLinearizableRead {
    ReadOperation operation;
    Instant arrived;
    Instant deadline;
    ReadResponder responder;
    bool waits_for_leader = false;
  };
  // Another node's proposal while the core has it.
  struct Foreign {
    NodeId from;
    wire::ForwardReply refusal;  // complete but for its code
  };
  // A request to change the membership or the leader, of this node's clients.
  struct ControlRequest {
    enum class Stage : std::uint8_t { probing, waiting, sent } stage = Stage::waiting;
    std::variant<wire::MembershipRequest, wire::TransferRequest> what;
    Instant deadline;
    actor::Responder<ControlAnswer> responder;
    std::optional<wire::ControlRefusal> last_refusal;
  };
  // One that the core has, or that is being answered. `from` 0: this node's own; the sequence 0:
  // nobody waits.
  struct ServedControl {
    NodeId from;
    std::uint64_t origin = 0;
    std::uint64_t sequence = 0;
    NodeId subject;
    bool hands_over = false;  // for hand_over_
  };
  using ControlOutcome = decltype(wire::ControlReply::what);
  struct PendingHandOver {
    AfterHandOver after = AfterHandOver::serve;
    actor::Responder<HandedOver> responder;
  };
  // No member any more, and not cut off before it had time to learn it.
  struct Farewell {
    Member member;
    std::optional<Instant> until;  // set when the change is committed
  };
  // A snapshot of a peer that becomes the state.
  struct Installation {
    raft::SnapshotMeta meta;
    bool in_state = false;         // durable there; the log is to follow
    std::optional<raft::IoId> io;  // the write that resets the log
  };
  struct Batch {
    Index through;
    std::uint64_t bytes = 0;
  };
  struct Gauges;

  // ---- raft_actor_boot.cc
  // The log is opened elsewhere; meanwhile requests wait in their tables.
  void boot(Context& context) noexcept;
  void open_log(Context& context) noexcept;
  void on_opened(Result<OpenedLog>&& opened, Context& context) noexcept;
  void start(raft::BootState&& state, Context& context) noexcept;
  [[nodiscard]] Result<raft::BootState> recover() noexcept;
  void spawn_children(Context& context) noexcept;

  // ---- raft_actor.cc
  // Whether a child of this boot says so; counts the others.
  [[nodiscard]] bool is_current(std::uint64_t boot) noexcept;
  void dispatch(raft::Effects&& effects) noexcept;
  void send(raft::Send&& send) noexcept;
  void hand_over(raft::CommitRange&& range) noexcept;
  void queue(ApplyCommitted&& apply) noexcept;
  void on_soft(const raft::SoftState& soft) noexcept;
  void flush_outgoing() noexcept;
  void every_tenth_tick() noexcept;
  void publish_health() noexcept;
  void publish_metrics() noexcept;
  void measure_disk() noexcept;
  [[nodiscard]] bool has_room_for(const raft::Message& message) noexcept;

  // ---- raft_actor_requests.cc
  [[nodiscard]] std::optional<Error> refusal(Instant deadline) const noexcept;
  // Committed entries wait in such numbers that no more proposals are taken.
  [[nodiscard]] bool applier_lags() const noexcept;
  void route(std::uint64_t sequence) noexcept;
  void route_read(std::uint64_t number) noexcept;
  void route_waiting() noexcept;
  void route_overtaken(Term applied_term) noexcept;
  void complete(const raft::Completion& completion) noexcept;
  void complete_own(std::uint64_t sequence, const raft::Completion& completion) noexcept;
  void complete_foreign(std::uint64_t number, const raft::Completion& completion) noexcept;
  void grant(const std::vector<raft::ReadGrant>& grants) noexcept;
  void refuse_forward(NodeId to, wire::ForwardReply reply, Code code) noexcept;
  void expire_requests() noexcept;
  void fail_requests(const Error& certain) noexcept;
  // The request of this boot that the entry carries, if somebody still waits for it.
  [[nodiscard]] std::optional<Waiting> take_if_mine(const Entry& entry) noexcept;

  // ---- raft_actor_control.cc
  void probe_address(std::uint64_t sequence, Context& context) noexcept;
  void route_control(std::uint64_t sequence) noexcept;
  void route_controls() noexcept;
  void serve(const ServedControl& origin, const decltype(wire::Control::what)& what) noexcept;
  void serve_change(ServedControl origin, const wire::MembershipRequest& request) noexcept;
  void serve_transfer(const ServedControl& origin, const wire::TransferRequest& request) noexcept;
  void complete_control(std::uint64_t number, const raft::Completion& completion) noexcept;
  void finish_hand_over(const raft::Completion& completion) noexcept;
  void answer_control(const ServedControl& origin, ControlOutcome outcome) noexcept;
  void settle_control(std::uint64_t sequence, ControlOutcome outcome) noexcept;
  void note_leader_for_transfers() noexcept;
  void expire_controls() noexcept;
  void fail_controls(const Error& unsent) noexcept;
  [[nodiscard]] ReplyHeader control_header() const noexcept;

  // ---- raft_actor_members.cc
  void on_config(const Config& config) noexcept;
  void tell_members() noexcept;
  [[nodiscard]] const Config* expected_members() const noexcept;
  void expire_farewells() noexcept;
  void look_after_members(Context& context) noexcept;
  void adopt(const Member& member, const wire::ProbeReply& found, Context& context) noexcept;
  void place(const Member& member) noexcept;
  void seal() noexcept;

  // ---- raft_actor_snapshots.cc
  void spawn_snapshots(Context& context) noexcept;
  void request_snapshots(const std::vector<raft::SnapshotRequest>& requests) noexcept;
  void permit_purge() noexcept;
  void note_reset(const std::optional<raft::LogIo>& io) noexcept;
  void note_durable(raft::IoId io) noexcept;
  void settle_installation(const Result<void>& result) noexcept;
  void fail_covered_by_snapshot() noexcept;

  const ReplicaPorts ports_;
  const ReplicaOptions options_;
  std::unique_ptr<Gauges> gauges_;

  Identity identity_;
  std::shared_ptr<LogStore> log_;
  std::optional<raft::Core> core_;  // absent before Init, and until the log is open
  bool campaign_ = false;           // once it is
  bool waits_for_room_ = false;     // for the log
  actor::TimerHandle open_again_;
  actor::Ref<LogOpenerProtocol> log_opener_;
  actor::Ref<LogWriterProtocol> log_writer_;
  actor::Ref<ApplierProtocol> applier_;
  actor::Ref<ReaderProtocol> reader_;
  actor::Ref<LogReaderProtocol> log_reader_;
  actor::Ref<SnapshotExporterProtocol> exporter_;  // empty: no snapshots
  actor::Ref<SnapshotImporterProtocol> importer_;
  LogReads log_reads_;
  actor::TimerHandle tick_;
  std::uint64_t ticks_ = 0;

  std::uint64_t boot_ = 0;  // names this start as the origin of its proposals
  SequenceTable<Proposal> proposals_;
  SequenceTable<PendingLinearizableRead> reads_;
  SequenceTable<Foreign> foreign_;
  SequenceTable<ControlRequest> controls_;
  SequenceTable<ServedControl> served_controls_;
  std::optional<PendingHandOver> hand_over_;
  bool draining_ = false;
  std::vector<Farewell> farewells_;   // at most limits::members_max
  std::optional<Config> introduced_;  // members that this log may not know of yet
  Instant introduced_until_;
  std::optional<Instant> silent_from_;  // removed: when the links end
  std::set<NodeId> probing_;            // members asked who they are: at most limits::members_max
  actor::Ref<RaftProtocol> self_;
  std::optional<Installation> installation_;
  Term applied_term_;    // of the last entry handed over
  bool routed_ = false;  // the core was stepped for a request since the last flush

  std::vector<OutgoingCast> outgoing_;  // of this turn
  ParkedMessages parked_;
  std::deque<WriteLog> writes_;          // not accepted by the log writer's mailbox yet
  std::optional<ApplyCommitted> apply_;  // not accepted by the applier's mailbox yet
  std::vector<PendingRead> local_reads_;
  std::deque<Batch> handed_over_;  // whose payloads the applier still holds
  std::uint64_t handed_over_bytes_ = 0;

  std::shared_ptr<const Config> config_;
  raft::SoftState soft_;
  Index handed_over_through_;
  Index applied_;
  kv::Revision revision_ = 0;
  StateSizes sizes_;
  bool disk_full_ = false;
  std::uint64_t full_budget_bytes_ = 0;  // of entries still accepted while the disk is full
  std::string doubt_;                    // why the other members refuse this node
};

}  // namespace aspen::replica
