// Which configuration a request for a change of the membership leads to. Pure: it knows the one in
// force and nothing else; whether the cluster may go there now is the core's to say.
#pragma once

#include <tl/expected.hpp>

#include "node/base/ids.h"
#include "node/base/membership.h"
#include "node/raft/core.h"
#include "node/wire/control_codec.h"

namespace aspen::replica {

struct MembershipPlan {
  Config to;
  NodeId subject;        // whom it is about; 0 if about several
  bool changes = false;  // otherwise `to` is in force already
  raft::Promotion promotion = raft::Promotion::when_caught_up;
};

// `fresh`: the id of a new member, never used before. Precondition: `from` is at rest.
// Refused: what is wrong with the request itself (wire::Objection), an empty set of voters.
[[nodiscard]] tl::expected<MembershipPlan, wire::ControlRefusal> plan_change(
    const Config& from, const wire::MembershipRequest& request, NodeId fresh);

// A name and addresses that a member may have.
[[nodiscard]] bool acceptable(const wire::AddMember& add);

}  // namespace aspen::replica
