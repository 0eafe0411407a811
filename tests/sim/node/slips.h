// Known mistakes of what surrounds the core: of a driver, a client library, a disk. The simulator
// makes them at its own ports, one at a time, and must notice each.
//
// Thread: set by a single-threaded simulator between two runs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace aspen::sim::node {

enum class Slip : std::uint8_t {
  none,
  sync_that_lies,      // what was acknowledged as durable is not
  local_linearizable,  // linearizable reads are answered from what the node has applied
  unknown_repeated,    // a write of unknown outcome is sent again as it is
  refusal_invented,    // an unknown outcome is told as a certain refusal
};
inline constexpr std::array slip_names{"none", "sync_that_lies", "local_linearizable",
                                       "unknown_repeated", "refusal_invented"};
static_assert(slip_names.size() == static_cast<std::size_t>(Slip::refusal_invented) + 1,
              "every slip has a name");

inline Slip slip_in_force = Slip::none;
[[nodiscard]] inline bool slips(Slip slip) noexcept {
  return slip == slip_in_force;
}

}  // namespace aspen::sim::node
