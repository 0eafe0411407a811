// etcd's services as a client sees them.
#include <grpcpp/grpcpp.h>

#include "etcd/rpc.grpc.pb.h"
#include "node/base/limits.h"
#include "tests/adapter/grpc/server_fixture.h"

namespace aspen::adapter {
namespace {

using etcdserverpb::PutRequest;
using etcdserverpb::PutResponse;
using ::grpc::StatusCode;

class EtcdServices : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    kv = etcdserverpb::KV::NewStub(channel);
    maintenance = etcdserverpb::Maintenance::NewStub(channel);
    cluster = etcdserverpb::Cluster::NewStub(channel);
    service.on_put = [this](kv::PutRequest request, gateway::Deadline deadline,
                            gateway::Done<kv::PutResponse> done) {
      put_seen = std::move(request);
      put_deadline = deadline;
      done(reply(kv::PutResponse{42, std::nullopt}));
    };
  }
  ::grpc::Status put(::grpc::ClientContext& context, std::size_t value_bytes = 1) {
    PutRequest request;
    request.set_key("k");
    request.set_value(std::string(value_bytes, 'v'));
    return kv->Put(&context, request, &put_response);
  }

  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
  std::unique_ptr<etcdserverpb::Cluster::Stub> cluster;
  kv::PutRequest put_seen;
  gateway::Deadline put_deadline{};
  PutResponse put_response;
};

TEST_F(EtcdServices, AnAnswerCarriesTheGatewaysHeader) {
  ::grpc::ClientContext context;
  const auto status = put(context);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(put_seen.key, "k");
  EXPECT_EQ(put_seen.value, "v");
  EXPECT_EQ(put_response.header().ShortDebugString(),
            "cluster_id: 193 member_id: 161 revision: 42 raft_term: 7");
}

TEST_F(EtcdServices, EachMethodReachesItsOwn) {
  service.on_range = [](kv::RangeRequest request, gateway::Deadline, auto done) {
    kv::RangeResponse body;
    body.revision = 42;
    body.kvs.push_back({request.key, 1, 1, 1, "v", 0});
    body.count = 1;
    done(reply(std::move(body)));
  };
  service.on_delete_range = [](kv::DeleteRangeRequest, gateway::Deadline, auto done) {
    done(reply(kv::DeleteRangeResponse{42, 3, {}}));
  };
  service.on_txn = [](kv::TxnRequest, gateway::Deadline, auto done) {
    done(reply(kv::TxnResponse{42, true, {}}));
  };
  service.on_compact = [](kv::CompactRequest, gateway::Deadline, auto done) {
    done(refusal<kv::CompactResponse>(
        Error{Code::compacted, "etcdserver: mvcc: required revision has been compacted"}));
  };
  etcdserverpb::RangeRequest range;
  range.set_key("r");
  etcdserverpb::RangeResponse ranged;
  ::grpc::ClientContext c1;
  ASSERT_TRUE(kv->Range(&c1, range, &ranged).ok());
  EXPECT_EQ(ranged.kvs(0).key(), "r");
  etcdserverpb::DeleteRangeResponse deleted;
  ::grpc::ClientContext c2;
  ASSERT_TRUE(kv->DeleteRange(&c2, {}, &deleted).ok());
  EXPECT_EQ(deleted.deleted(), 3);
  etcdserverpb::TxnResponse txn;
  ::grpc::ClientContext c3;
  ASSERT_TRUE(kv->Txn(&c3, {}, &txn).ok());
  EXPECT_TRUE(txn.succeeded());
  etcdserverpb::CompactionResponse compacted;
  ::grpc::ClientContext c4;
  const auto status = kv->Compact(&c4, {}, &compacted);
  EXPECT_EQ(status.error_code(), StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(status.error_message(), "etcdserver: mvcc: required revision has been compacted");
}

// Goal: what is over etcd's limit reaches the service, which refuses it as etcd does, once all else
// about it is right; gRPC refuses what is far over.
TEST_F(EtcdServices, OnlyARequestFarOverTheLimitIsRefusedByGrpc) {
  ::grpc::ClientContext over;
  EXPECT_TRUE(put(over, limits::request_bytes_max).ok());
  ::grpc::ClientContext far_over;
  EXPECT_EQ(put(far_over, limits::grpc_message_bytes_max).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(EtcdServices, TheClientsDeadlineOnlyShortensTheServices) {
  ::grpc::ClientContext none;
  ASSERT_TRUE(put(none).ok());
  EXPECT_GT(put_deadline.at, clock.now() + std::chrono::seconds(5));
  ::grpc::ClientContext shorter;
  shorter.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  ASSERT_TRUE(put(shorter).ok());
  EXPECT_LE(put_deadline.at, clock.now() + std::chrono::seconds(3));  // gRPC rounds up
  ::grpc::ClientContext longer;
  longer.set_deadline(std::chrono::system_clock::now() + std::chrono::hours(1000));
  ASSERT_TRUE(put(longer).ok());
  EXPECT_LE(put_deadline.at, clock.now() + std::chrono::seconds(7));
}

TEST_F(EtcdServices, AClientThatRequiresALeaderIsRefusedWithoutOne) {
  ::grpc::ClientContext without;
  without.AddMetadata("hasleader", "true");
  const auto status = put(without);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "etcdserver: no leader");
  service.node_view.raft.soft.leader = NodeId(3);
  ::grpc::ClientContext with;
  with.AddMetadata("hasleader", "true");
  EXPECT_TRUE(put(with).ok());
}

TEST_F(EtcdServices, StatusSaysWhatTheNodeKnows) {
  auto& view = service.node_view;
  view.self.id = NodeId(0xa1);
  view.raft.soft.term = Term(7);
  view.raft.commit.index = Index(10);
  view.applied = Index(9);
  view.db_bytes = 4096;
  view.db_in_use_bytes = 1024;
  view.errors = {"the disk is full"};
  etcdserverpb::StatusResponse response;
  ::grpc::ClientContext context;
  ASSERT_TRUE(maintenance->Status(&context, {}, &response).ok());
  EXPECT_EQ(response.version(), "3.6.0");
  EXPECT_EQ(response.raftindex(), 10U);
  EXPECT_EQ(response.raftappliedindex(), 9U);
  EXPECT_EQ(response.dbsize(), 4096);
  EXPECT_EQ(response.dbsizeinuse(), 1024);
  ASSERT_EQ(response.errors_size(), 2);
  EXPECT_EQ(response.errors(0), "etcdserver: no leader");
  EXPECT_EQ(response.errors(1), "the disk is full");
}

TEST_F(EtcdServices, HashesAndAlarmsAnswer) {
  service.on_hash_kv = [](std::int64_t revision, gateway::Deadline, auto done) {
    done(reply(gateway::HashResult{77, -1, revision}));
  };
  service.hash_result.hash = 78;
  etcdserverpb::HashKVRequest request;
  request.set_revision(5);
  etcdserverpb::HashKVResponse hash_kv;
  ::grpc::ClientContext c1;
  ASSERT_TRUE(maintenance->HashKV(&c1, request, &hash_kv).ok());
  EXPECT_EQ(hash_kv.hash(), 77U);
  EXPECT_EQ(hash_kv.compact_revision(), -1);
  EXPECT_EQ(hash_kv.hash_revision(), 5);
  etcdserverpb::HashResponse hash;
  ::grpc::ClientContext c2;
  ASSERT_TRUE(maintenance->Hash(&c2, {}, &hash).ok());
  EXPECT_EQ(hash.hash(), 78U);
  etcdserverpb::AlarmResponse alarms;
  ::grpc::ClientContext c3;
  ASSERT_TRUE(maintenance->Alarm(&c3, {}, &alarms).ok());
  EXPECT_EQ(alarms.alarms_size(), 0);
  etcdserverpb::AlarmRequest disarm;
  disarm.set_action(etcdserverpb::AlarmRequest::DEACTIVATE);
  ::grpc::ClientContext c4;
  EXPECT_EQ(maintenance->Alarm(&c4, disarm, &alarms).error_code(), StatusCode::UNIMPLEMENTED);
}

TEST_F(EtcdServices, TheMemberListHasNoRevision) {
  service.on_members = [](gateway::Consistency consistency, gateway::Deadline, auto done) {
    EXPECT_EQ(consistency, gateway::Consistency::linearizable);
    Config config;
    config.members.push_back({{NodeId(1), {1, 2}}, Role::voter, "n1", "h:2380", {"h:2379"}});
    done(reply(std::move(config)));
  };
  etcdserverpb::MemberListRequest request;
  request.set_linearizable(true);
  etcdserverpb::MemberListResponse response;
  ::grpc::ClientContext context;
  ASSERT_TRUE(cluster->MemberList(&context, request, &response).ok());
  EXPECT_EQ(response.header().revision(), 0);
  EXPECT_EQ(response.header().raft_term(), 7U);
  EXPECT_EQ(response.members(0).clienturls(0), "http://h:2379");
}

TEST_F(EtcdServices, WhatIsNotServedIsUnimplemented) {
  etcdserverpb::DefragmentResponse defragmented;
  ::grpc::ClientContext c2;
  EXPECT_EQ(maintenance->Defragment(&c2, {}, &defragmented).error_code(),
            StatusCode::UNIMPLEMENTED);
  const auto lease = etcdserverpb::Lease::NewStub(channel);
  etcdserverpb::LeaseGrantResponse granted;
  ::grpc::ClientContext c3;
  EXPECT_EQ(lease->LeaseGrant(&c3, {}, &granted).error_code(), StatusCode::UNIMPLEMENTED);
  ::grpc::ClientContext c4;
  auto stream = kv->RangeStream(&c4, {});
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::UNIMPLEMENTED);
  // Those of the services that are served in part are counted like the others.
  for (const char* labels : {" grpc_service=etcdserverpb.Maintenance grpc_method=Defragment",
                             " grpc_service=etcdserverpb.KV grpc_method=RangeStream"}) {
    EXPECT_EQ(telemetry.value("aspen_grpc_server_started_total" + std::string(labels)), 1);
    EXPECT_EQ(telemetry.value("aspen_grpc_server_handled_total" + std::string(labels) +
                              " grpc_code=Unimplemented"),
              1);
  }
}

TEST_F(EtcdServices, CallsAreCountedByMethodAndCode) {
  ::grpc::ClientContext context;
  ASSERT_TRUE(put(context).ok());
  const std::string put_labels = " grpc_service=etcdserverpb.KV grpc_method=Put";
  EXPECT_EQ(telemetry.value("aspen_grpc_server_started_total" + put_labels), 1);
  EXPECT_EQ(telemetry.value("aspen_grpc_server_handled_total" + put_labels + " grpc_code=OK"), 1);
  EXPECT_EQ(telemetry.value("aspen_grpc_server_handling_seconds" + put_labels), 1);
}

}  // namespace
}  // namespace aspen::adapter
