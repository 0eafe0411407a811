// HealthBoard behind a lock. Owner: the assembly. Any thread.
#pragma once

#include <mutex>

#include "node/port/health.h"

namespace aspen {

class LockedHealthBoard final : public HealthBoard {
 public:
  // Counts as published at `start`.
  explicit LockedHealthBoard(Instant start) : published_at_(start) {
    health_.reason = "the node is starting";
  }
  void publish(Health health, Instant now) override;
  [[nodiscard]] Health current(Instant now) const override;

 private:
  mutable std::mutex mutex_;
  Health health_;
  Instant published_at_;
};

}  // namespace aspen
