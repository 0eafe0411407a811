// What the actors of a replica tell each other, and what the gateway asks of them.
//
//   gateway --Propose, Read--> RaftActor --WriteLog--> LogWriter --LogDone--> RaftActor
//                              RaftActor --ApplyCommitted, ExecuteReads--> Applier --AppliedUpTo-->
//                              RaftActor --ReadLog--> LogReader --LogRead--> RaftActor
//                              Applier --ScanRead--> Reader
//
// Answers to the gateway leave from where they arise: the Applier, the Reader, or the RaftActor for
// refusals.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "node/actor/actor.h"
#include "node/base/entry.h"
#include "node/base/ids.h"
#include "node/base/time.h"
#include "node/kv/request.h"
#include "node/kv/snapshot.h"
#include "node/port/log_store.h"
#include "node/port/state_store.h"
#include "node/raft/core.h"
#include "node/replica/identity.h"
#include "node/snapshot/message.h"
#include "node/wire/cluster_codec.h"
#include "node/wire/control_codec.h"
#include "node/wire/forward_codec.h"

namespace aspen::replica {

class Checkpoint;  // checkpoint.h

// ---- asked by the gateway

struct ReplyHeader {
  ClusterId cluster;
  NodeId member;
  kv::Revision revision = 0;  // of the store
  Term term;
};

struct CommandReply {
  ReplyHeader header;
  kv::Response response;
};

// A write: `request` is an encoded kv::Request. Answered with a definite result, a certain refusal,
// or timed_out if it is not known at the deadline whether it will take effect.
struct Propose {
  using Reply = CommandReply;
  static constexpr actor::Priority priority = actor::Priority::low;
  Bytes request;
  Instant deadline;
  bool physical = false;  // of a compaction: answer when the space is given back
};

struct HashKvRead {
  kv::Revision revision = 0;
};
struct HashRead {};
// The membership in force; answered by the index it is read at alone.
struct MembersRead {};

using ReadOperation =
    std::variant<kv::RangeRequest, kv::TxnRequest, HashKvRead, HashRead, MembersRead>;
using ReadResult =
    std::variant<kv::RangeResponse, kv::TxnResponse, kv::HashKvResponse, kv::HashResponse, Config>;

struct ReadReply {
  ReplyHeader header;
  ReadResult result;
};

// A linearizable read.
struct Read {
  using Reply = ReadReply;
  static constexpr actor::Priority priority = actor::Priority::normal;
  ReadOperation operation;
  Instant deadline;
};
// A read of what this node has applied.
struct LocalRead {
  using Reply = ReadReply;
  static constexpr actor::Priority priority = actor::Priority::normal;
  ReadOperation operation;
  Instant deadline;
};

// What the replica says of itself; zero before Init.
struct ReplicaView {
  bool running = false;
  raft::Metrics raft;
  Config config;  // in force
  Index applied;
  kv::Revision revision = 0;
  StateSizes sizes;
  bool disk_full = false;
  bool draining = false;  // it hands over what it leads and refuses new requests
  bool removed = false;   // the cluster removed this member
};

// A change of the membership or a transfer of the leadership. It is sent on to the leader; while
// none is known, or one is new or busy with another change, it waits. Answered with what is
// committed, a certain refusal, or leader_lost or timed_out: the outcome is not known.
struct ControlAnswer {
  ReplyHeader header;
  std::variant<wire::MembershipResult, wire::TransferResult> result;  // as asked
};
struct Control {
  using Reply = ControlAnswer;
  static constexpr actor::Priority priority = actor::Priority::normal;
  std::variant<wire::MembershipRequest, wire::TransferRequest> what;
  Instant deadline;
};
// The node hands over what it leads. Answered when it leads no more. Possible errors:
// failed_precondition (nobody can take over), unavailable (another hand-over goes on), timed_out:
// it goes on leading, and nothing changes.
struct HandedOver {
  ReplyHeader header;
};
enum class AfterHandOver : std::uint8_t { serve, refuse_requests };
struct HandOver {
  using Reply = HandedOver;
  static constexpr actor::Priority priority = actor::Priority::high;
  AfterHandOver after = AfterHandOver::serve;
};
struct GetView {
  using Reply = ReplicaView;
  static constexpr actor::Priority priority = actor::Priority::high;
};

// ---- to the RaftActor

struct PeerMessage {
  static constexpr actor::Priority priority = actor::Priority::high;
  PeerId from;
  raft::Message message;
};
struct PeerLinkChanged {
  static constexpr actor::Priority priority = actor::Priority::high;
  PeerId peer;
  bool up = false;
};
// A proposal that another node accepted, and the refusal of one that was sent to it.
struct ForwardReceived {
  static constexpr actor::Priority priority = actor::Priority::low;
  PeerId from;
  wire::Forward forward;
};
struct ForwardRefused {
  static constexpr actor::Priority priority = actor::Priority::high;
  PeerId from;
  wire::ForwardReply reply;
};
// A control request that another node accepted, and the answer to one that was sent to it.
struct ControlReceived {
  static constexpr actor::Priority priority = actor::Priority::normal;
  PeerId from;
  wire::Control control;
};
struct ControlAnswered {
  static constexpr actor::Priority priority = actor::Priority::high;
  PeerId from;
  wire::ControlReply reply;
};
// Who is at the address of a member to be added (`sequence`: the request), or of a member that is
// not bound or silent.
struct AddressProbed {
  std::uint64_t sequence = 0;
  Result<wire::ProbeReply> reply;
};
struct MemberFound {
  NodeId member;
  Result<wire::ProbeReply> reply;
};
struct MemberPlaced {
  NodeId member;
  Result<void> result;
};
// A node that leads, or wants to, says who the members are: this node's log may not know it yet.
struct Introduced {
  static constexpr actor::Priority priority = actor::Priority::high;
  Config members;
};
// The data directory has got its place in a cluster. `campaign`: this node executed Init.
struct Initialised {
  static constexpr actor::Priority priority = actor::Priority::high;
  bool campaign = false;
};

// Why the other members refuse this node, for people; empty: they do not.
struct IdentityDoubted {
  std::string reason;
};

// What the children tell carries the boot of the RaftActor that started them: its mailbox outlives
// a restart, and a former boot's completions mean nothing to the next.
struct LogDone {
  static constexpr actor::Priority priority = actor::Priority::urgent;
  std::uint64_t boot = 0;
  raft::IoId io;
};
// The log has no room for what waits to be written, or has room again.
struct LogStalled {
  static constexpr actor::Priority priority = actor::Priority::urgent;
  std::uint64_t boot = 0;
  bool stalled = false;
};
struct AppliedUpTo {
  static constexpr actor::Priority priority = actor::Priority::urgent;
  std::uint64_t boot = 0;
  Index applied;
  Index durable;
  kv::Revision revision = 0;
  std::optional<StateSizes> sizes;  // when they were measured anew
};

struct RaftTick {
  static constexpr actor::Priority priority = actor::Priority::high;
};

// There was no room for the log: it is tried again.
struct OpenAgain {};

// ---- snapshots: snapshot_exporter.h, snapshot_importer.h

// What a peer says in a transfer; the RaftActor adds how far the state is and hands it on.
struct SnapshotReceived {
  PeerId from;
  snapshot::Message message;
  Index applied = {};
};
// To the RaftActor: how a transfer that it asked for has ended.
struct SnapshotEnded {
  static constexpr actor::Priority priority = actor::Priority::high;
  std::uint64_t boot = 0;
  PeerId to;
  raft::Epoch epoch;
  LogId id;
  raft::SnapshotResult result = raft::SnapshotResult::failed;
};
// To the RaftActor: a snapshot of a peer is whole, checked and durable in a directory.
struct SnapshotArrived {
  static constexpr actor::Priority priority = actor::Priority::high;
  std::uint64_t boot = 0;
  raft::SnapshotMeta meta;
  std::string directory;
};
// To the RaftActor, of the Applier: the state is that of the snapshot, durable, or was beyond it.
struct StateInstalled {
  static constexpr actor::Priority priority = actor::Priority::urgent;
  std::uint64_t boot = 0;
  Result<void> result;
  Index applied;
  kv::Revision revision = 0;
};

// To the SnapshotExporter. Each is answered with SnapshotEnded.
struct SendSnapshot {
  PeerId to;
  raft::Epoch epoch;
  Index at_least;
  Term term;
};
// This node leads no more.
struct StopSending {};
// A snapshot for a client of this node. Possible errors: overloaded, no_space, io_error,
// failed_precondition (nothing was applied yet).
struct SnapshotTaken {
  ReplyHeader header;
  std::shared_ptr<const Checkpoint> checkpoint;
};
struct TakeSnapshot {
  using Reply = SnapshotTaken;
  static constexpr actor::Priority priority = actor::Priority::normal;
  Index at_least;
};
struct ExporterTick {};
struct DescribeMore {
  static constexpr actor::Priority priority = actor::Priority::low;
};

// To the SnapshotImporter: the end of what SnapshotArrived began.
struct ArrivalSettled {
  Result<void> result;
};
struct ImporterTick {};
struct CheckMore {
  static constexpr actor::Priority priority = actor::Priority::low;
};

// ---- to the LogOpener

struct OpenedLog {
  std::shared_ptr<LogStore> log;
};
struct OpenLog {
  using Reply = OpenedLog;
  static constexpr actor::Priority reply_priority = actor::Priority::high;
  Identity identity;
};

// ---- to the LogWriter

struct WriteLog {
  raft::LogIo io;
};
struct PurgeLog {
  Index through;
};
struct RetryWrite {};

// ---- to the Applier

using CommandResponder = actor::Responder<CommandReply>;
using ReadResponder = actor::Responder<ReadReply>;

// Somebody waits for the result of the entry at `index`.
struct Waiting {
  Index index;
  CommandResponder responder;
  Instant deadline;
  bool physical = false;
};
struct ApplyCommitted {
  raft::CommitRange range;
  std::vector<Waiting> waiting;  // ascending
  Term term;                     // the replica's, for headers
};
struct PendingRead {
  ReadOperation operation;
  ReadResponder responder;
  Instant deadline;
};
// Reads to be served when `index` is applied; 0: at once.
struct ExecuteReads {
  Index index;
  std::vector<PendingRead> reads;
  Term term;
  std::shared_ptr<const Config> config;
};
// The state gives way to that in a directory, unless it is as far already.
struct InstallState {
  std::string directory;
  LogId id;
};
struct ApplierTick {};
// More is to be applied than one turn may hold.
struct ApplyMore {
  static constexpr actor::Priority priority = actor::Priority::low;
};
struct CleanStep {
  static constexpr actor::Priority priority = actor::Priority::low;
};

// ---- to the Reader: what may take long, on a state of its own

struct ScanRead {
  std::unique_ptr<StateView> state;
  PendingRead read;
  ReplyHeader header;
};

// ---- to the LogReader

// Entries for a follower that lags behind what the core keeps in memory.
struct ReadLog {
  PeerId to;
  raft::AppendSpec spec;
};
struct LogRead {
  static constexpr actor::Priority priority = actor::Priority::high;
  std::uint64_t boot = 0;
  PeerId to;
  raft::AppendSpec spec;
  std::vector<Entry> entries;  // empty: they are gone
};

}  // namespace aspen::replica
