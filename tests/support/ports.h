// Ports of 127.0.0.1 for processes that tests start. Tests that run side by side never get the same
// one: each port has a lock file, held until this process ends. The ports lie below the range from
// which the kernel serves outgoing connections and binds to port 0.
//
// Thread: any. tests/support/ports.py keeps the same rule with the same files.
#pragma once

#include <cstdint>

namespace aspen::support {

// Nobody listens on it, and no other call gives it while this process lives. Ends the process if
// there is none left.
[[nodiscard]] std::uint16_t free_port();

}  // namespace aspen::support
