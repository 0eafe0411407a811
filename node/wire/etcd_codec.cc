#include "node/wire/etcd_codec.h"

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "node/base/assert.h"

namespace aspen::wire {
namespace {

kv::Compare decode_compare(etcdserverpb::Compare& message) {
  kv::Compare compare;
  compare.result = static_cast<kv::CompareResult>(message.result());
  compare.target = static_cast<kv::CompareTarget>(message.target());
  compare.key = std::move(*message.mutable_key());
  compare.range_end = std::move(*message.mutable_range_end());
  // An accessor of a field that the oneof does not hold gives 0 or an empty text: etcd's rule too.
  switch (static_cast<int>(message.target())) {
    case etcdserverpb::Compare::VERSION:
      compare.number = message.version();
      break;
    case etcdserverpb::Compare::CREATE:
      compare.number = message.create_revision();
      break;
    case etcdserverpb::Compare::MOD:
      compare.number = message.mod_revision();
      break;
    case etcdserverpb::Compare::LEASE:
      compare.number = message.lease();
      break;
    case etcdserverpb::Compare::VALUE:
      compare.value = message.value();
      break;
    default:
      // An open enumeration: a number that names nothing is kept for validate().
      break;
  }
  return compare;
}

kv::RequestOp decode_operation(etcdserverpb::RequestOp& message) {
  kv::RequestOp operation;
  switch (message.request_case()) {
    case etcdserverpb::RequestOp::kRequestRange:
      operation.request = decode(std::move(*message.mutable_request_range()));
      break;
    case etcdserverpb::RequestOp::kRequestPut:
      operation.request = decode(std::move(*message.mutable_request_put()));
      break;
    case etcdserverpb::RequestOp::kRequestDeleteRange:
      operation.request = decode(std::move(*message.mutable_request_delete_range()));
      break;
    case etcdserverpb::RequestOp::kRequestTxn:
      operation.request = decode(std::move(*message.mutable_request_txn()));
      break;
    case etcdserverpb::RequestOp::REQUEST_NOT_SET:
      break;
  }
  return operation;
}

void encode_key_value(kv::KeyValue&& key_value, mvccpb::KeyValue& out) {
  ASPEN_ASSERT(key_value.mod_revision >= key_value.create_revision);
  out.set_key(std::move(key_value.key));
  out.set_create_revision(key_value.create_revision);
  out.set_mod_revision(key_value.mod_revision);
  out.set_version(key_value.version);
  out.set_value(std::move(key_value.value));
  out.set_lease(key_value.lease);
}

void encode_operation(kv::ResponseOp&& operation, etcdserverpb::ResponseOp& out) {
  const auto encode_one = [&out](auto&& response) {
    using Response = std::decay_t<decltype(response)>;
    if constexpr (std::is_same_v<Response, kv::RangeResponse>) {
      encode(std::move(response), *out.mutable_response_range());
    } else if constexpr (std::is_same_v<Response, kv::PutResponse>) {
      encode(std::move(response), *out.mutable_response_put());
    } else if constexpr (std::is_same_v<Response, kv::DeleteRangeResponse>) {
      encode(std::move(response), *out.mutable_response_delete_range());
    } else {
      static_assert(std::is_same_v<Response, kv::TxnResponse>);
      encode(std::move(response), *out.mutable_response_txn());
    }
  };
  std::visit(encode_one, std::move(operation.response));
}

}  // namespace

kv::RangeRequest decode(etcdserverpb::RangeRequest&& message) {
  kv::RangeRequest request;
  request.key = std::move(*message.mutable_key());
  request.range_end = std::move(*message.mutable_range_end());
  request.limit = message.limit();
  request.revision = message.revision();
  request.sort_order = static_cast<kv::SortOrder>(message.sort_order());
  request.sort_target = static_cast<kv::SortTarget>(message.sort_target());
  request.serializable = message.serializable();
  request.keys_only = message.keys_only();
  request.count_only = message.count_only();
  request.min_mod_revision = message.min_mod_revision();
  request.max_mod_revision = message.max_mod_revision();
  request.min_create_revision = message.min_create_revision();
  request.max_create_revision = message.max_create_revision();
  return request;
}

kv::PutRequest decode(etcdserverpb::PutRequest&& message) {
  kv::PutRequest request;
  request.key = std::move(*message.mutable_key());
  request.value = std::move(*message.mutable_value());
  request.lease = message.lease();
  request.prev_kv = message.prev_kv();
  request.ignore_value = message.ignore_value();
  request.ignore_lease = message.ignore_lease();
  return request;
}

kv::DeleteRangeRequest decode(etcdserverpb::DeleteRangeRequest&& message) {
  kv::DeleteRangeRequest request;
  request.key = std::move(*message.mutable_key());
  request.range_end = std::move(*message.mutable_range_end());
  request.prev_kv = message.prev_kv();
  return request;
}

kv::TxnRequest decode(etcdserverpb::TxnRequest&& message) {
  kv::TxnRequest request;
  request.compare.reserve(static_cast<std::size_t>(message.compare_size()));
  request.success.reserve(static_cast<std::size_t>(message.success_size()));
  request.failure.reserve(static_cast<std::size_t>(message.failure_size()));
  for (auto& compare : *message.mutable_compare()) {
    request.compare.push_back(decode_compare(compare));
  }
  for (auto& operation : *message.mutable_success()) {
    request.success.push_back(decode_operation(operation));
  }
  for (auto& operation : *message.mutable_failure()) {
    request.failure.push_back(decode_operation(operation));
  }
  return request;
}

kv::CompactRequest decode(etcdserverpb::CompactionRequest&& message) {
  kv::CompactRequest request;
  request.revision = message.revision();
  request.physical = message.physical();
  return request;
}

void encode(kv::RangeResponse&& response, etcdserverpb::RangeResponse& out) {
  ASPEN_ASSERT(out.kvs().empty());
  ASPEN_ASSERT(response.count >= 0);
  out.mutable_header()->set_revision(response.revision);
  out.mutable_kvs()->Reserve(static_cast<int>(response.kvs.size()));
  for (auto& key_value : response.kvs) encode_key_value(std::move(key_value), *out.add_kvs());
  out.set_more(response.more);
  out.set_count(response.count);
}

void encode(kv::PutResponse&& response, etcdserverpb::PutResponse& out) {
  ASPEN_ASSERT(!out.has_prev_kv());
  out.mutable_header()->set_revision(response.revision);
  if (response.prev_kv) encode_key_value(std::move(*response.prev_kv), *out.mutable_prev_kv());
}

void encode(kv::DeleteRangeResponse&& response, etcdserverpb::DeleteRangeResponse& out) {
  ASPEN_ASSERT(out.prev_kvs().empty());
  ASPEN_ASSERT(response.deleted >= static_cast<std::int64_t>(response.prev_kvs.size()));
  out.mutable_header()->set_revision(response.revision);
  out.set_deleted(response.deleted);
  for (auto& key_value : response.prev_kvs) {
    encode_key_value(std::move(key_value), *out.add_prev_kvs());
  }
}

void encode(kv::TxnResponse&& response, etcdserverpb::TxnResponse& out) {
  ASPEN_ASSERT(out.responses().empty());
  out.mutable_header()->set_revision(response.revision);
  out.set_succeeded(response.succeeded);
  for (auto& operation : response.responses) {
    encode_operation(std::move(operation), *out.add_responses());
  }
}

void encode(kv::CompactResponse&& response, etcdserverpb::CompactionResponse& out) {
  out.mutable_header()->set_revision(response.revision);
}

void encode(const Member& member, etcdserverpb::Member& out) {
  ASPEN_ASSERT(member.peer.id);
  out.set_id(member.peer.id.value);
  out.set_name(member.name);
  out.add_peerurls("http://" + member.peer_address);
  for (const auto& address : member.client_addresses) out.add_clienturls("http://" + address);
  out.set_islearner(member.role == Role::learner);
}

}  // namespace aspen::wire
