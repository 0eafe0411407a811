// Where a worker thread sleeps. Input and output of the worker's actors is served inside wait(), so
// that a callback runs on the thread of the actors it feeds and needs no lock and no hop.
//
// Owner: the assembly gives each worker one; it outlives the worker. wait() is called by the
// worker's thread alone, wake() by any thread.
#pragma once

#include "node/base/time.h"

namespace aspen {

class Poller {
 public:
  virtual ~Poller() = default;

  // Serves what is ready, and returns then; with nothing ready it returns after `longest` at the
  // latest, or when wake() was called. Zero never blocks. May return early without a reason.
  virtual void wait(Duration longest) = 0;

  // Ends the current wait(), or makes the next one return at once. Calls may be merged.
  virtual void wake() noexcept = 0;
};

}  // namespace aspen
