#include "node/adapter/grpc/etcd_maintenance_service.h"

#include <algorithm>

#include "node/adapter/grpc/etcd_membership.h"
#include "node/adapter/grpc/snapshot_stream.h"
#include "node/wire/etcd_names.h"

namespace aspen::adapter {
namespace {

constexpr const char* maintenance_service = "etcdserverpb.Maintenance";

void encode_status(const gateway::NodeView& view, etcdserverpb::StatusResponse& out) {
  const raft::Metrics& raft = view.raft;
  out.set_version(wire::etcd_api_version);
  out.set_storageversion(wire::etcd_api_version);
  // In etcd the file holds at least what is in use; clients compute a share from the two. Here the
  // newest data is in memory and in the log.
  out.set_dbsize(static_cast<std::int64_t>(std::max(view.db_bytes, view.db_in_use_bytes)));
  out.set_dbsizeinuse(static_cast<std::int64_t>(view.db_in_use_bytes));
  out.set_leader(raft.soft.leader.value);
  out.set_raftterm(raft.soft.term.value);
  out.set_raftindex(raft.commit.index.value);
  out.set_raftappliedindex(view.applied.value);
  const Member* self = view.config.find(view.self.id);
  out.set_islearner(self != nullptr && self->role == Role::learner);
  const std::string no_leader = etcd_status(Error{Code::no_leader}).error_message();
  if (!raft.soft.leader) out.add_errors(no_leader);
  for (const std::string& error : view.errors) {
    if (error != no_leader) out.add_errors(error);
  }
}

void move_leader(gateway::Service& service, NodeId to, gateway::Deadline deadline,
                 UnaryCall<etcdserverpb::MoveLeaderResponse>* call) {
  service.transfer_leadership(to, deadline,
                              [call](Result<gateway::Reply<gateway::TransferResult>>&& reply) {
                                if (!reply) {
                                  call->refuse(reply.error(), etcd_transfer_status);
                                  return;
                                }
                                call->answer([&reply](etcdserverpb::MoveLeaderResponse& out) {
                                  set_header(reply->header, *out.mutable_header());
                                });
                              });
}

}  // namespace

EtcdMaintenanceService::EtcdMaintenanceService(Frontend& frontend)
    : frontend_(frontend),
      alarm_(serving(frontend, {maintenance_service, "Alarm"})),
      status_(serving(frontend, {maintenance_service, "Status"})),
      hash_(serving(frontend, {maintenance_service, "Hash"})),
      hash_kv_(serving(frontend, {maintenance_service, "HashKV"})),
      move_leader_(serving(frontend, {maintenance_service, "MoveLeader"})),
      snapshot_(serving(frontend, {maintenance_service, "Snapshot"})) {}

::grpc::ServerUnaryReactor* EtcdMaintenanceService::Alarm(::grpc::CallbackServerContext* context,
                                                          const etcdserverpb::AlarmRequest* request,
                                                          etcdserverpb::AlarmResponse* response) {
  const bool asks = request->action() == etcdserverpb::AlarmRequest::GET;
  auto start = [this, asks](gateway::Deadline deadline, auto* call) {
    if (!asks) {
      call->refuse(Error{Code::unsupported, "aspen: alarms cannot be set or cleared"});
      return;
    }
    const auto fill = [](auto&&, auto&) {};
    frontend_.service.view(deadline, etcd_done<gateway::NodeView>(call, fill));
  };
  return serve({frontend_, alarm_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* EtcdMaintenanceService::Status(::grpc::CallbackServerContext* context,
                                                           const etcdserverpb::StatusRequest*,
                                                           etcdserverpb::StatusResponse* response) {
  auto start = [this](gateway::Deadline deadline, auto* call) {
    const auto fill = [](gateway::NodeView&& view, auto& out) { encode_status(view, out); };
    frontend_.service.view(deadline, etcd_done<gateway::NodeView>(call, fill));
  };
  return serve({frontend_, status_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* EtcdMaintenanceService::Hash(::grpc::CallbackServerContext* context,
                                                         const etcdserverpb::HashRequest*,
                                                         etcdserverpb::HashResponse* response) {
  auto start = [this](gateway::Deadline deadline, auto* call) {
    const auto fill = [](gateway::HashResult&& result, auto& out) { out.set_hash(result.hash); };
    frontend_.service.hash(deadline, etcd_done<gateway::HashResult>(call, fill));
  };
  return serve({frontend_, hash_}, *context, response, std::move(start));
}

::grpc::ServerUnaryReactor* EtcdMaintenanceService::HashKV(
    ::grpc::CallbackServerContext* context, const etcdserverpb::HashKVRequest* request,
    etcdserverpb::HashKVResponse* response) {
  auto start = [this, revision = request->revision()](gateway::Deadline deadline, auto* call) {
    const auto fill = [](gateway::HashResult&& result, auto& out) {
      out.set_hash(result.hash);
      out.set_compact_revision(result.compact_revision);
      out.set_hash_revision(result.hash_revision);
    };
    frontend_.service.hash_kv(revision, deadline, etcd_done<gateway::HashResult>(call, fill));
  };
  return serve({frontend_, hash_kv_}, *context, response, std::move(start));
}

// Unlike a change of the membership it must be sent to the leader itself, as in etcd.
::grpc::ServerUnaryReactor* EtcdMaintenanceService::MoveLeader(
    ::grpc::CallbackServerContext* context, const etcdserverpb::MoveLeaderRequest* request,
    etcdserverpb::MoveLeaderResponse* response) {
  auto start = [this, to = NodeId(request->targetid())](gateway::Deadline deadline, auto* call) {
    auto judge = [this, to, deadline, call](Result<gateway::Reply<gateway::NodeView>>&& view) {
      // After the server's stop this service may be gone, but no call is unfinished.
      if (call->finished()) {
        call->refuse(Error{Code::cancelled});
      } else if (!view) {
        call->refuse(view.error());
      } else if (const Result<void> allowed = may_move_leader(to, view->body); !allowed) {
        call->refuse(allowed.error());
      } else {
        move_leader(frontend_.service, to, deadline, call);
      }
    };
    frontend_.service.view(deadline, std::move(judge));
  };
  return serve({frontend_, move_leader_}, *context, response, std::move(start));
}

::grpc::ServerWriteReactor<etcdserverpb::SnapshotResponse>* EtcdMaintenanceService::Snapshot(
    ::grpc::CallbackServerContext* context, const etcdserverpb::SnapshotRequest*) {
  return new SnapshotStream({frontend_, snapshot_}, *context, snapshots_);
}

}  // namespace aspen::adapter
