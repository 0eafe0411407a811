// HealthBoard behind a lock. Owner: the assembly. Any thread.
#pragma once

#include <mutex>
#include <optional>

#include "node/port/health.h"

namespace aspen {

class LockedHealthBoard final : public HealthBoard {
 public:
  LockedHealthBoard() { health_.reason = "the node is starting"; }
  void publish(Health health, Instant now) override;
  // Silence counts from the first publication on: a node that reads a large state first is live.
  [[nodiscard]] Health current(Instant now) const override;

 private:
  mutable std::mutex mutex_;
  Health health_;
  std::optional<Instant> published_at_;
};

}  // namespace aspen
