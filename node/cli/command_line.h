// aspenctl's flags and exit status around its commands.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace aspen::cli {

struct Environment {
  std::string endpoints;  // ASPEN_ENDPOINTS; empty if not set
  std::ostream& out;
  std::ostream& err;
};

// Exit status: 0 done, 1 refused, 2 usage, 3 outcome unknown. `arguments` are without the program's
// name.
[[nodiscard]] int run(std::vector<std::string> arguments, Environment environment);

}  // namespace aspen::cli
