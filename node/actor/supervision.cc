#include "node/actor/supervision.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::actor {

bool RestartWindow::admit(Instant now, const ChildOptions& options) {
  ASPEN_ASSERT(options.restarts_max <= limits::restarts_in_window_max);
  ASPEN_ASSERT(restarts_.empty() || restarts_.back() <= now);
  const auto first_inside = std::find_if(restarts_.begin(), restarts_.end(), [&](Instant at) {
    return now - at < options.restart_window;
  });
  restarts_.erase(restarts_.begin(), first_inside);
  if (restarts_.size() >= options.restarts_max) return false;
  restarts_.push_back(now);
  return true;
}

Duration backoff(const ChildOptions& options, std::size_t restart_number, Prng& prng) noexcept {
  ASPEN_ASSERT(restart_number >= 1);
  ASPEN_ASSERT(options.backoff_min <= options.backoff_max);
  Duration longest = options.backoff_min;
  for (std::size_t i = 1; i < restart_number && longest < options.backoff_max; ++i) longest *= 2;
  longest = std::min(longest, options.backoff_max);
  const auto whole = static_cast<std::uint64_t>(longest.count());
  return Duration(static_cast<std::int64_t>(prng.between(whole / 2, whole)));
}

bool is_restarted(Restart restart, End end) noexcept {
  switch (restart) {
    case Restart::permanent:
      return true;
    case Restart::transient:
      return end == End::failed;
    case Restart::temporary:
      return false;
  }
  ASPEN_UNREACHABLE();
}

}  // namespace aspen::actor
