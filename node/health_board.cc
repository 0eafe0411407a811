#include "node/health_board.h"

#include <utility>

#include "node/base/limits.h"

namespace aspen {

void LockedHealthBoard::publish(Health health, Instant now) {
  const std::lock_guard lock(mutex_);
  health_ = std::move(health);
  published_at_ = now;
}

Health LockedHealthBoard::current(Instant now) const {
  const std::lock_guard lock(mutex_);
  Health health = health_;
  if (published_at_ &&
      now - *published_at_ > std::chrono::milliseconds(limits::health_silence_ms_max)) {
    health.live = false;
    health.ready = false;
    health.reason = "the replica's actor makes no progress";
  }
  return health;
}

}  // namespace aspen
