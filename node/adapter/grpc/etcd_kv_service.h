// etcdserverpb.KV over the gateway. RangeStream is not served.
#pragma once

#include "etcd/rpc.grpc.pb.h"
#include "node/adapter/grpc/call.h"

namespace aspen::adapter {

class EtcdKvService final : public etcdserverpb::KV::CallbackService {
 public:
  explicit EtcdKvService(Frontend& frontend);

  ::grpc::ServerUnaryReactor* Range(::grpc::CallbackServerContext* context,
                                    const etcdserverpb::RangeRequest* request,
                                    etcdserverpb::RangeResponse* response) override;
  ::grpc::ServerUnaryReactor* Put(::grpc::CallbackServerContext* context,
                                  const etcdserverpb::PutRequest* request,
                                  etcdserverpb::PutResponse* response) override;
  ::grpc::ServerUnaryReactor* DeleteRange(::grpc::CallbackServerContext* context,
                                          const etcdserverpb::DeleteRangeRequest* request,
                                          etcdserverpb::DeleteRangeResponse* response) override;
  ::grpc::ServerUnaryReactor* Txn(::grpc::CallbackServerContext* context,
                                  const etcdserverpb::TxnRequest* request,
                                  etcdserverpb::TxnResponse* response) override;
  ::grpc::ServerUnaryReactor* Compact(::grpc::CallbackServerContext* context,
                                      const etcdserverpb::CompactionRequest* request,
                                      etcdserverpb::CompactionResponse* response) override;

 private:
  // Which method of the gateway serves a call, and its figures.
  template <class Domain, class Body>
  struct Operation {
    MethodMetrics& metrics;
    void (gateway::Service::*method)(Domain, gateway::Deadline, gateway::Done<Body>);
    Effect effect = Effect::none;
  };
  template <class Domain, class Body, class Request, class Response>
  ::grpc::ServerUnaryReactor* forward(Operation<Domain, Body> operation,
                                      ::grpc::CallbackServerContext* context,
                                      const Request* request, Response* response);

  Frontend& frontend_;
  MethodMetrics range_;
  MethodMetrics put_;
  MethodMetrics delete_range_;
  MethodMetrics txn_;
  MethodMetrics compact_;
};

}  // namespace aspen::adapter
