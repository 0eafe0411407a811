// etcd's protobuf messages to and from the domain types of the key-value store. Decoding takes a
// message apart (strings are moved, not copied); what it means is kv::validate()'s to judge.
// Encoding consumes the domain value likewise. Of a response header only the revision is set here:
// cluster, member and term are added by whoever answers.
//
// Thread: pure functions. Bound: nesting of transactions is that of protobuf's parser (100 levels).
#pragma once

#include "etcd/rpc.pb.h"
#include "node/base/membership.h"
#include "node/kv/request.h"

namespace aspen::wire {

[[nodiscard]] kv::RangeRequest decode(etcdserverpb::RangeRequest&& message);
[[nodiscard]] kv::PutRequest decode(etcdserverpb::PutRequest&& message);
[[nodiscard]] kv::DeleteRangeRequest decode(etcdserverpb::DeleteRangeRequest&& message);
[[nodiscard]] kv::TxnRequest decode(etcdserverpb::TxnRequest&& message);
[[nodiscard]] kv::CompactRequest decode(etcdserverpb::CompactionRequest&& message);

// Precondition: `out` is empty. Postcondition: it has a header.
void encode(kv::RangeResponse&& response, etcdserverpb::RangeResponse& out);
void encode(kv::PutResponse&& response, etcdserverpb::PutResponse& out);
void encode(kv::DeleteRangeResponse&& response, etcdserverpb::DeleteRangeResponse& out);
void encode(kv::TxnResponse&& response, etcdserverpb::TxnResponse& out);
void encode(kv::CompactResponse&& response, etcdserverpb::CompactionResponse& out);

// Addresses become URLs: http://host:port.
void encode(const Member& member, etcdserverpb::Member& out);

}  // namespace aspen::wire
