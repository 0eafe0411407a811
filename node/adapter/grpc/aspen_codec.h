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

void encode_init(const gateway::InitResult& result, aspen::v1::InitResponse& out);
void encode_state(const gateway::NodeView& view, aspen::v1::StateResponse& out);
void encode_metrics(const gateway::NodeView& view, aspen::v1::MetricsResponse& out);
void encode_node_id(const gateway::NodeView& view, aspen::v1::NodeIdResponse& out);

}  // namespace aspen::adapter
