// The end of the process for a reason that no retry heals: a failed fsync, a damaged log, a format
// of a newer version. Production prints what it was and ends with the exit status of the class (3
// or 4); a simulator marks the node as crashed and returns.
//
// Owner: the assembly; it outlives its users. Any thread.
#pragma once

#include <string_view>

#include "node/base/error.h"

namespace aspen {

class Fatal {
 public:
  virtual ~Fatal() = default;
  // The caller does nothing more with what failed.
  virtual void fail(std::string_view component, const Error& error) noexcept = 0;
};

}  // namespace aspen
