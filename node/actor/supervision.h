// What a supervisor decides, without actors: whether one more restart is allowed, and how long it
// waits.
#pragma once

#include <cstddef>
#include <vector>

#include "node/actor/options.h"
#include "node/base/prng.h"
#include "node/base/time.h"

namespace aspen::actor {

// The restarts of one child within a sliding window.
class RestartWindow {
 public:
  // Records a restart at `now` unless `options.restarts_max` lie within the window that ends now.
  // A restart exactly one window old does not count any more. Precondition: time does not go back.
  [[nodiscard]] bool admit(Instant now, const ChildOptions& options);
  // Restarts in the window, as of the last admit().
  [[nodiscard]] std::size_t recent() const noexcept { return restarts_.size(); }

 private:
  std::vector<Instant> restarts_;  // ascending
};

// Precondition: restart_number >= 1 (the first restart of the window).
[[nodiscard]] Duration backoff(const ChildOptions& options, std::size_t restart_number,
                               Prng& prng) noexcept;

// Whether a child that ended is started again at all.
enum class End : std::uint8_t { stopped, failed };
[[nodiscard]] bool is_restarted(Restart restart, End end) noexcept;

}  // namespace aspen::actor
