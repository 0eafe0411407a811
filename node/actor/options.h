// How a child is run and what its supervisor does when it ends. One aggregate, to be filled with
// designated initialisers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "node/base/limits.h"
#include "node/base/time.h"

namespace aspen::actor {

enum class Restart : std::uint8_t {
  permanent,  // after every end
  transient,  // after a failure, not after a stop of its own
  temporary,  // never
};

inline constexpr std::size_t home_of_parent = SIZE_MAX;

struct ChildOptions {
  // Registered until the actor is gone for good; empty: none. At most
  // limits::actor_name_bytes_max bytes, unique in the System.
  std::string name = {};
  Restart restart = Restart::permanent;
  // At most limits::mailbox_messages_max; at least 1.
  std::size_t mailbox_capacity = limits::mailbox_messages_default;
  // The home worker, for the actor's whole life; taken modulo the number of workers.
  std::size_t worker = home_of_parent;
  // The supervisor restarts the child up to this often within any window of this length, and fails
  // itself with the child's error when the child ends once more. At most
  // limits::restarts_in_window_max.
  std::size_t restarts_max = 5;
  Duration restart_window = std::chrono::seconds(10);
  // The first restart waits about the shorter, each further one in the window twice as long, up to
  // the longer one; drawn from the upper half of that.
  Duration backoff_min = std::chrono::milliseconds(10);
  Duration backoff_max = std::chrono::seconds(5);
  // How long an ordered stop waits for this child (and its children) before it is killed. An actor
  // that fails while a child of it overruns this is not restarted, nor is anybody above it.
  Duration stop_deadline = std::chrono::seconds(5);
};

}  // namespace aspen::actor
