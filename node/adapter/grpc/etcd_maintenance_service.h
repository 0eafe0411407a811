// etcdserverpb.Maintenance over the gateway: Status, HashKV, Hash, MoveLeader, Snapshot, and Alarm
// as far as asking goes: there are no alarms, and `etcdctl endpoint health` asks.
#pragma once

#include <atomic>

#include "etcd/rpc.grpc.pb.h"
#include "node/adapter/grpc/call.h"

namespace aspen::adapter {

class EtcdMaintenanceService final : public etcdserverpb::Maintenance::CallbackService {
 public:
  explicit EtcdMaintenanceService(Frontend& frontend);

  ::grpc::ServerUnaryReactor* Alarm(::grpc::CallbackServerContext* context,
                                    const etcdserverpb::AlarmRequest* request,
                                    etcdserverpb::AlarmResponse* response) override;
  ::grpc::ServerUnaryReactor* Status(::grpc::CallbackServerContext* context,
                                     const etcdserverpb::StatusRequest* request,
                                     etcdserverpb::StatusResponse* response) override;
  ::grpc::ServerUnaryReactor* Hash(::grpc::CallbackServerContext* context,
                                   const etcdserverpb::HashRequest* request,
                                   etcdserverpb::HashResponse* response) override;
  ::grpc::ServerUnaryReactor* HashKV(::grpc::CallbackServerContext* context,
                                     const etcdserverpb::HashKVRequest* request,
                                     etcdserverpb::HashKVResponse* response) override;
  ::grpc::ServerUnaryReactor* MoveLeader(::grpc::CallbackServerContext* context,
                                         const etcdserverpb::MoveLeaderRequest* request,
                                         etcdserverpb::MoveLeaderResponse* response) override;
  ::grpc::ServerWriteReactor<etcdserverpb::SnapshotResponse>* Snapshot(
      ::grpc::CallbackServerContext* context,
      const etcdserverpb::SnapshotRequest* request) override;

 private:
  Frontend& frontend_;
  MethodMetrics alarm_;
  MethodMetrics status_;
  MethodMetrics hash_;
  MethodMetrics hash_kv_;
  MethodMetrics move_leader_;
  MethodMetrics snapshot_;
  std::atomic<std::size_t> snapshots_{0};
};

}  // namespace aspen::adapter
