// Known mistakes of what surrounds the core: of a driver and of a log on a disk. The simulator
// makes them itself, one at a time, and must notice each.
//
// Thread: set by a single-threaded simulator between two runs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace aspen::sim {

enum class Slip : std::uint8_t {
  none,
  completion_out_of_order,   // D4: the newest LogIo is told to be durable, an older one is not
  tail_survives_truncation,  // D3: what was cut off is there again behind what replaced it
  hard_state_after_entries,  // D7: entries are durable, the term and vote of their LogIo are not
  older_snapshot_installed,  // E3: although the state is further
  log_not_reset_at_start,    // E4: a crash between the switch of the state and the reset
};
inline constexpr std::array slip_names{"none",
                                       "completion_out_of_order",
                                       "tail_survives_truncation",
                                       "hard_state_after_entries",
                                       "older_snapshot_installed",
                                       "log_not_reset_at_start"};
static_assert(slip_names.size() == static_cast<std::size_t>(Slip::log_not_reset_at_start) + 1,
              "every slip has a name");

inline Slip slip_in_force = Slip::none;
[[nodiscard]] inline bool slips(Slip slip) noexcept {
  return slip == slip_in_force;
}

}  // namespace aspen::sim
