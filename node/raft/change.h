// From one configuration to another: what may be asked for, and which entries lead there. A leaf:
// it knows configurations, not state.
#pragma once

#include "node/base/error.h"
#include "node/base/membership.h"
#include "node/raft/core.h"

namespace aspen::raft {

// Whether a configuration may follow `from`, as far as the two of them can tell: it is at rest and
// well-formed, has a voter and not too many, and moves no bound incarnation. `none` if it may.
// Precondition: `from` is at rest.
[[nodiscard]] Refusal check_target(const Config& from, const Config& to) noexcept;
[[nodiscard]] bool same_voters(const Config& a, const Config& b) noexcept;
// Both halves. Precondition: check_target() has nothing against it.
[[nodiscard]] Config joint_of(const Config& from, const Config& to);
// What a joint configuration leads to.
[[nodiscard]] Config final_of(const Config& joint);

}  // namespace aspen::raft
