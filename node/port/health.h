// Where the actors publish how the node is, for the health endpoints. A publication replaces the
// former one.
//
// Owner: the assembly; it outlives its users. Any thread may call; nothing blocks for long.
#pragma once

#include <string>

#include "node/base/time.h"

namespace aspen {

struct Health {
  bool live = true;    // not "has a leader": the process makes progress
  bool ready = false;  // a leader is known and the state has caught up with it
  std::string reason;  // what is missing, for people; empty if ready
};

class HealthBoard {
 public:
  virtual ~HealthBoard() = default;
  virtual void publish(Health health, Instant now) = 0;
  // Not live if nothing was published for limits::health_silence_ms_max before `now`, although
  // something was before; live and not ready before the first publication.
  [[nodiscard]] virtual Health current(Instant now) const = 0;
};

}  // namespace aspen
