// What a client request means, without its wire: the interface between the protocol adapters (gRPC,
// HTTP) and the node. Requests are validated, sent through the log or read at the right moment, and
// answered in domain types; Errors carry etcd's text where etcd has one (node/kv/errors.h).
//
// Owner: the assembly; it outlives the adapters. Thread: any thread may call anything. A `Done` is
// called exactly once, from any thread, perhaps from inside the call; it must not block. Bounds:
// limits::requests_pending_max requests at a time (overloaded beyond that).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/membership.h"
#include "node/base/time.h"
#include "node/kv/request.h"
#include "node/port/health.h"
#include "node/raft/core.h"
#include "node/wire/control_codec.h"

namespace aspen::gateway {

// etcd's ResponseHeader.
struct Header {
  ClusterId cluster;
  NodeId member;
  std::int64_t revision = 0;  // the store's current one; 0 where etcd sends none
  Term term;
};

template <class T>
struct Reply {
  Header header;
  T body;
};

template <class T>
using Done = std::function<void(Result<Reply<T>>&&)>;

// No request waits longer: etcd's 5 s plus two election timeouts; earlier if the client says so.
struct Deadline {
  Instant at;
};

enum class Consistency : std::uint8_t { linearizable, serializable };

// ---- cluster

enum class Phase : std::uint8_t {
  uninitialised,  // no cluster yet: Init or a peer's Init is awaited
  starting,       // the log is being read
  running,
  draining,  // as before a stop: leads no more and refuses new requests
  stopping,
  removed,        // the cluster removed this member; it does not come back under this identity
  identity_lost,  // its peers know this node with another data directory: replace this member
};

struct HashResult {
  std::uint32_t hash = 0;
  std::int64_t compact_revision = 0;
  std::int64_t hash_revision = 0;
};

// This node as it sees itself.
struct NodeView {
  Phase phase = Phase::uninitialised;
  ClusterId cluster;
  PeerId self;
  std::string name;
  Config config;       // in force; empty before Init; its place in the log is raft.config
  raft::Metrics raft;  // zero before Init
  Index applied;       // by the state machine
  std::uint64_t db_bytes = 0;
  std::uint64_t db_in_use_bytes = 0;
  std::vector<std::string> errors;  // for people: no leader, disk full, identity lost, ...
};

struct InitMember {
  std::string name;
  std::string peer_address;                   // host:port
  std::vector<std::string> client_addresses;  // host:port
};
struct InitRequest {
  std::optional<ClusterId> cluster;  // random if absent
  std::vector<InitMember> members;   // 1 to limits::voters_max
};
struct InitResult {
  ClusterId cluster;
  Config config;
};

// ---- changes of the membership and of the leadership

using wire::AddMember;
using wire::Binding;
using wire::ChangeVoters;
using wire::Leaving;
using wire::MembershipRequest;
using wire::MembershipResult;
using wire::PromoteMember;
using wire::RemoveMember;
using wire::TransferResult;
using wire::UpdateMember;

struct DrainResult {};

// ---- snapshots

// The file of a snapshot (node/snapshot/container.h), from front to back. One thread at a time; it
// may block on the disk for a moment, and keeps the snapshot on it until it is gone.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;
  // The next bytes, empty at the end. Possible errors: io_error, not_found, corrupt.
  [[nodiscard]] virtual Result<std::string> next() = 0;
};
struct SnapshotResult {
  LogId through;
  std::uint64_t state_bytes = 0;
  std::shared_ptr<SnapshotReader> reader;
};

class Service {
 public:
  virtual ~Service() = default;

  [[nodiscard]] virtual Deadline default_deadline() const = 0;

  virtual void range(kv::RangeRequest request, Deadline deadline, Done<kv::RangeResponse> done) = 0;
  virtual void put(kv::PutRequest request, Deadline deadline, Done<kv::PutResponse> done) = 0;
  virtual void delete_range(kv::DeleteRangeRequest request, Deadline deadline,
                            Done<kv::DeleteRangeResponse> done) = 0;
  virtual void txn(kv::TxnRequest request, Deadline deadline, Done<kv::TxnResponse> done) = 0;
  virtual void compact(kv::CompactRequest request, Deadline deadline,
                       Done<kv::CompactResponse> done) = 0;

  // revision 0: the current one. Local to this member.
  virtual void hash_kv(std::int64_t revision, Deadline deadline, Done<HashResult> done) = 0;
  virtual void hash(Deadline deadline, Done<HashResult> done) = 0;

  virtual void members(Consistency consistency, Deadline deadline, Done<Config> done) = 0;
  virtual void view(Deadline deadline, Done<NodeView> done) = 0;
  virtual void init(InitRequest request, Deadline deadline, Done<InitResult> done) = 0;

  // Any node takes it and asks the leader. Answered when the final configuration is committed, by
  // then a joint one was left. The leader starts from the configuration in force; with `expect`
  // only if that is the one in force.
  //   AddMember      bound: the node at the address must answer and be empty; it gets its place
  //                  after the commit, from this leader or a later one. Again for a member with the
  //                  same address and directory: succeeds with what is in force. A bound voter is
  //                  refused: add a learner, then promote it. Binding::later never asks the
  //                  address; as a voter it counts at once.
  //   ChangeVoters   all of them are members; new voters have caught up. The same set again
  //                  succeeds.
  //   RemoveMember   unknown_member if there is none.
  //   PromoteMember  refused with the core's text while the learner has not caught up.
  // Errors: those of wire::error_of(Objection) and of raft::error_of(Refusal), whose `detail` is
  // the Refusal: `stale_expect` is failed_precondition with detail raft::Refusal::stale_expect;
  // not_found for an id that is no member; unavailable, overloaded, no_leader, uninitialised,
  // shutting_down: nothing took effect; leader_lost, timed_out: read view() before trying again.
  virtual void change_membership(MembershipRequest request, Deadline deadline,
                                 Done<MembershipResult> done) = 0;
  // `to` 0: the voter whose log is the longest. Answered when the new leader is known to lead. If
  // `to` leads already it succeeds. Errors: failed_precondition with detail
  // raft::Refusal::no_target; timed_out: the target did not take over in time; as above.
  virtual void transfer_leadership(NodeId to, Deadline deadline, Done<TransferResult> done) = 0;
  // This node hands over what it leads and refuses new requests from then on (shutting_down), until
  // it is started again. Answered when it does not lead; alone, or if nobody can take over, it is
  // refused (failed_precondition) and nothing changes. Again: succeeds.
  virtual void drain(Deadline deadline, Done<DrainResult> done) = 0;

  // Of what this node has applied, itself: the newest one there is, or one made now. Possible
  // errors: uninitialised, overloaded, no_space, io_error, shutting_down.
  virtual void snapshot(Done<SnapshotResult> done) = 0;

  // Of /livez, /readyz and grpc.health.v1. Cheap: what the actors published last.
  [[nodiscard]] virtual Health health() const = 0;
};

}  // namespace aspen::gateway
