// The Service of a real node: validates, encodes, and asks the replica's actor. It keeps no state
// but references, so any thread may call it; what waits, waits in the replica's bounded tables.
#pragma once

#include "node/actor/actor.h"
#include "node/gateway/service.h"
#include "node/port/clock.h"
#include "node/port/health.h"
#include "node/replica/node_actor.h"
#include "node/replica/raft_actor.h"

namespace aspen::gateway {

struct GatewayOptions {
  Duration election_timeout = std::chrono::seconds(1);
};

class Gateway final : public Service {
 public:
  struct Parts {
    const Clock& clock;
    const HealthBoard& health;
    actor::Ref<replica::RaftProtocol> raft;
    actor::Ref<replica::NodeProtocol> node;
  };
  Gateway(const Parts& parts, const GatewayOptions& options) : parts_(parts), options_(options) {}

  [[nodiscard]] Deadline default_deadline() const override;

  void range(kv::RangeRequest request, Deadline deadline, Done<kv::RangeResponse> done) override;
  void put(kv::PutRequest request, Deadline deadline, Done<kv::PutResponse> done) override;
  void delete_range(kv::DeleteRangeRequest request, Deadline deadline,
                    Done<kv::DeleteRangeResponse> done) override;
  void txn(kv::TxnRequest request, Deadline deadline, Done<kv::TxnResponse> done) override;
  void compact(kv::CompactRequest request, Deadline deadline,
               Done<kv::CompactResponse> done) override;
  void hash_kv(std::int64_t revision, Deadline deadline, Done<HashResult> done) override;
  void hash(Deadline deadline, Done<HashResult> done) override;
  void members(Consistency consistency, Deadline deadline, Done<Config> done) override;
  void view(Deadline deadline, Done<NodeView> done) override;
  void init(InitRequest request, Deadline deadline, Done<InitResult> done) override;
  void change_membership(MembershipRequest request, Deadline deadline,
                         Done<MembershipResult> done) override;
  void transfer_leadership(NodeId to, Deadline deadline, Done<TransferResult> done) override;
  void drain(Deadline deadline, Done<DrainResult> done) override;
  void snapshot(Done<SnapshotResult> done) override;
  [[nodiscard]] Health health() const override;

 private:
  template <class T>
  void propose(const kv::Request& request, Deadline deadline, Done<T> done);
  template <class T>
  void control(decltype(replica::Control::what) what, Deadline deadline, Done<T> done);
  template <class T>
  void read(replica::ReadOperation operation, Consistency consistency, Deadline deadline,
            Done<T> done);

  Parts parts_;
  GatewayOptions options_;
};

}  // namespace aspen::gateway
