// A cluster of real node processes on loopback, for tests: start, kill -9, restart, stop. What it
// started ends with it.
//
// Owner and thread: one test, one thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/ports.h"

namespace aspen::e2e {

using support::free_port;

struct NodeProcess {
  std::string name;
  std::string directory;
  std::uint16_t client_port = 0;
  std::uint16_t peer_port = 0;
  std::uint16_t http_port = 0;
  pid_t pid = 0;  // 0: not running

  [[nodiscard]] std::string client_address() const {
    return "127.0.0.1:" + std::to_string(client_port);
  }
};

struct ClusterOptions {
  std::string binary;     // aspen-node
  std::string directory;  // made, and kept for a look after a failure
  std::size_t nodes = 3;
  std::vector<std::string> flags;  // of every node
};

class ClusterProcesses {
 public:
  explicit ClusterProcesses(ClusterOptions options);
  // Kills what still runs.
  ~ClusterProcesses();
  ClusterProcesses(const ClusterProcesses&) = delete;
  ClusterProcesses& operator=(const ClusterProcesses&) = delete;

  // Starts every node; the log of each goes to DIRECTORY/nK.log.
  void start_all();
  void start(std::size_t node) { start(node, {}); }
  // With flags after the usual ones, which win.
  void start(std::size_t node, const std::vector<std::string>& flags);
  // The exit status of a node that ends by itself, 128 + N for signal N; nothing if it still runs
  // after `patience`.
  std::optional<int> wait_end(std::size_t node, std::chrono::milliseconds patience);
  void kill9(std::size_t node);
  // SIGTERM; gives the exit status.
  int terminate(std::size_t node);

  [[nodiscard]] const std::vector<NodeProcess>& nodes() const noexcept { return nodes_; }
  [[nodiscard]] std::vector<std::string> endpoints() const;
  // The flags of one node, complete.
  [[nodiscard]] std::vector<std::string> arguments(std::size_t node) const;
  [[nodiscard]] std::string log_file(std::size_t node) const;
  [[nodiscard]] const ClusterOptions& options() const noexcept { return options_; }

 private:
  ClusterOptions options_;
  std::vector<NodeProcess> nodes_;
};

struct Ended {
  int status = -1;  // -1: it was killed because it did not end in time
  std::string output;
};
// Runs a program to its end.
[[nodiscard]] Ended run_to_end(const std::vector<std::string>& arguments,
                               std::chrono::milliseconds patience = std::chrono::seconds(20));

// Polls a condition: there is nothing to subscribe to across processes.
[[nodiscard]] bool eventually(const std::function<bool()>& condition,
                              std::chrono::milliseconds patience = std::chrono::seconds(30));

[[nodiscard]] std::string read_text(const std::string& file);

}  // namespace aspen::e2e
