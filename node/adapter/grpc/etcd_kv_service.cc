#include "node/adapter/grpc/etcd_kv_service.h"

#include <utility>

#include "node/wire/etcd_codec.h"

namespace aspen::adapter {
namespace {

constexpr const char* kv_service = "etcdserverpb.KV";

// Each body has an encode() of its own.
constexpr auto encode_body = [](auto&& body, auto& response) {
  wire::encode(std::forward<decltype(body)>(body), response);
};

}  // namespace

// gRPC hands the request out as const, yet owns it for this call alone and never reads it again. It
// is decoded at once: it ends with the call, which the client may cancel before the gateway starts.
template <class Domain, class Body, class Request, class Response>
::grpc::ServerUnaryReactor* EtcdKvService::forward(Operation<Domain, Body> operation,
                                                   ::grpc::CallbackServerContext* context,
                                                   const Request* request, Response* response) {
  auto start = [this, method = operation.method,
                domain = wire::decode(std::move(*const_cast<Request*>(request)))](
                   gateway::Deadline deadline, UnaryCall<Response>* call) mutable {
    (frontend_.service.*method)(std::move(domain), deadline, etcd_done<Body>(call, encode_body));
  };
  return serve({frontend_, operation.metrics, operation.effect}, *context, response,
               std::move(start));
}

EtcdKvService::EtcdKvService(Frontend& frontend)
    : frontend_(frontend),
      range_(serving(frontend, {kv_service, "Range"})),
      put_(serving(frontend, {kv_service, "Put"})),
      delete_range_(serving(frontend, {kv_service, "DeleteRange"})),
      txn_(serving(frontend, {kv_service, "Txn"})),
      compact_(serving(frontend, {kv_service, "Compact"})) {}

::grpc::ServerUnaryReactor* EtcdKvService::Range(::grpc::CallbackServerContext* context,
                                                 const etcdserverpb::RangeRequest* request,
                                                 etcdserverpb::RangeResponse* response) {
  return forward(Operation<kv::RangeRequest, kv::RangeResponse>{range_, &gateway::Service::range},
                 context, request, response);
}

::grpc::ServerUnaryReactor* EtcdKvService::Put(::grpc::CallbackServerContext* context,
                                               const etcdserverpb::PutRequest* request,
                                               etcdserverpb::PutResponse* response) {
  return forward(
      Operation<kv::PutRequest, kv::PutResponse>{put_, &gateway::Service::put, Effect::write},
      context, request, response);
}

::grpc::ServerUnaryReactor* EtcdKvService::DeleteRange(
    ::grpc::CallbackServerContext* context, const etcdserverpb::DeleteRangeRequest* request,
    etcdserverpb::DeleteRangeResponse* response) {
  return forward(
      Operation<kv::DeleteRangeRequest, kv::DeleteRangeResponse>{
          delete_range_, &gateway::Service::delete_range, Effect::write},
      context, request, response);
}

::grpc::ServerUnaryReactor* EtcdKvService::Txn(::grpc::CallbackServerContext* context,
                                               const etcdserverpb::TxnRequest* request,
                                               etcdserverpb::TxnResponse* response) {
  return forward(
      Operation<kv::TxnRequest, kv::TxnResponse>{txn_, &gateway::Service::txn, Effect::write},
      context, request, response);
}

::grpc::ServerUnaryReactor* EtcdKvService::Compact(::grpc::CallbackServerContext* context,
                                                   const etcdserverpb::CompactionRequest* request,
                                                   etcdserverpb::CompactionResponse* response) {
  return forward(
      Operation<kv::CompactRequest, kv::CompactResponse>{compact_, &gateway::Service::compact},
      context, request, response);
}

}  // namespace aspen::adapter
