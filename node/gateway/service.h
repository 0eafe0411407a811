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
  stopping,
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
  Config config;       // in force; empty before Init
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

  // Of /livez, /readyz and grpc.health.v1. Cheap: what the actors published last.
  [[nodiscard]] virtual Health health() const = 0;
};

}  // namespace aspen::gateway
