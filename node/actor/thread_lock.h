// The lock of the few things that threads share beside mailboxes: the registry, the list of actors,
// the depot of message blocks. Held for a few instructions, never while anything is called.
#pragma once

#include <mutex>

namespace aspen::actor {

using ThreadLock = std::mutex;
using ThreadLockGuard = std::lock_guard<std::mutex>;

}  // namespace aspen::actor
