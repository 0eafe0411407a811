// aspen.v1's messages to and from the gateway's types.
//
// Thread: pure functions.
#pragma once

#include <string>

#include "aspen/v1/cluster.pb.h"
#include "node/base/error.h"
#include "node/gateway/service.h"

namespace aspen::adapter {

// Possible errors: invalid_argument (no member, too many members or addresses, a name or an address
// that is empty or too long).
[[nodiscard]] Result<gateway::InitRequest> decode_init(const aspen::v1::InitRequest& message);

// Possible errors: invalid_argument (no `expect`, no or an impossible member, no voters, too many,
// one of them 0 or twice, no node id).
[[nodiscard]] Result<gateway::MembershipRequest> decode_add(
    const aspen::v1::AddLearnerRequest& message);
[[nodiscard]] Result<gateway::MembershipRequest> decode_change(
    const aspen::v1::ChangeMembershipRequest& message);
[[nodiscard]] Result<gateway::MembershipRequest> decode_remove(
    const aspen::v1::RemoveNodeRequest& message);

void encode_add(const gateway::MembershipResult& result, aspen::v1::AddLearnerResponse& out);
void encode_change(const gateway::MembershipResult& result,
                   aspen::v1::ChangeMembershipResponse& out);
void encode_remove(const gateway::MembershipResult& result, aspen::v1::RemoveNodeResponse& out);
// The name and addresses are absent if `config` does not know the leader.
void encode_leader(NodeId leader, const Config& config, aspen::v1::Leader& out);
// What WatchNodes tells. Links to others are known to the leader; another node knows the leader's.
void encode_nodes(const gateway::NodeView& view, aspen::v1::WatchNodesResponse& out);

void encode_init(const gateway::InitResult& result, aspen::v1::InitResponse& out);
void encode_state(const gateway::NodeView& view, aspen::v1::StateResponse& out);
void encode_metrics(const gateway::NodeView& view, aspen::v1::MetricsResponse& out);
void encode_node_id(const gateway::NodeView& view, aspen::v1::NodeIdResponse& out);

}  // namespace aspen::adapter
