// The composition root: the only place where ports meet adapters. It builds a node from its
// configuration, starts it, and stops it in order.
//
// Owner and thread: main, one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "node/base/error.h"
#include "node/config.h"
#include "node/port/log.h"

namespace aspen {

// Exit statuses of a node.
inline constexpr int exit_clean = 0;
inline constexpr int exit_usage = 2;
inline constexpr int exit_identity = 3;
inline constexpr int exit_durability = 4;
inline constexpr int exit_supervision = 5;

// Why a node did not start.
struct StartFailure {
  int exit_status = exit_usage;
  std::string text;  // what was wrong and what to do
};

class Assembly {
 public:
  Assembly(const NodeConfig& config, LogSink& log);
  ~Assembly();
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;

  // Empty if the node runs. Blocks while it opens its stores.
  [[nodiscard]] std::unique_ptr<StartFailure> start();
  // Drains clients, stops the actors in order, closes the stores. Blocks, a few seconds at most.
  void stop();

 private:
  void hand_over();

  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace aspen
