// A HealthBoard over another one that says, from the start of a stop, that the node is not ready:
// whoever sends it requests by that answer goes elsewhere before it refuses them.
//
// Owner: the assembly. Any thread.
#pragma once

#include <atomic>
#include <utility>

#include "node/port/health.h"

namespace aspen {

class StoppingHealth final : public HealthBoard {
 public:
  // `board` outlives it.
  explicit StoppingHealth(HealthBoard& board) : board_(board) {}

  void publish(Health health, Instant now) override { board_.publish(std::move(health), now); }
  [[nodiscard]] Health current(Instant now) const override {
    Health health = board_.current(now);
    if (!stopping_.load(std::memory_order_acquire)) return health;
    health.ready = false;
    health.reason = "the node is stopping";
    return health;
  }
  // For good.
  void stop() noexcept { stopping_.store(true, std::memory_order_release); }

 private:
  HealthBoard& board_;
  std::atomic<bool> stopping_{false};
};

}  // namespace aspen
