// What etcd asks of a change of the membership before it takes it, judged by the configuration that
// the node asked knows, as in etcd.
//
// Thread: pure functions.
#pragma once

#include <string>

#include "etcd/rpc.pb.h"
#include "node/base/error.h"
#include "node/gateway/service.h"

namespace aspen::adapter {

// The one peer address, without its scheme.
// Possible errors: invalid_argument (no URL, or one that is not http(s)://host:port), unsupported
// (several: a member has one peer address).
[[nodiscard]] Result<std::string> decode_peer_url(
    const google::protobuf::RepeatedPtrField<std::string>& urls);

// Possible errors: those of decode_peer_url.
[[nodiscard]] Result<gateway::AddMember> decode_member_add(
    const etcdserverpb::MemberAddRequest& message);

// Possible errors, with etcd's texts: already_exists (the address is a member's),
// failed_precondition (a majority of the voters would not have been started).
[[nodiscard]] Result<void> may_add(const gateway::AddMember& add, const Config& config);
// Possible errors, with etcd's texts: failed_precondition (likewise, without this member).
[[nodiscard]] Result<void> may_remove(NodeId id, const Config& config);
// Possible errors, with etcd's texts: not_leader, failed_precondition (no voter has this id).
[[nodiscard]] Result<void> may_move_leader(NodeId to, const gateway::NodeView& view);

}  // namespace aspen::adapter
