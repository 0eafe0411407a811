// A cluster of real node processes on loopback, for tests: start, kill -9, restart, stop. What it
// started ends with it.
//
// Owner and thread: one test, one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace aspen::e2e {

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
  void start(std::size_t node);
  void kill9(std::size_t node);
  // SIGTERM; gives the exit status.
  int terminate(std::size_t node);

  [[nodiscard]] const std::vector<NodeProcess>& nodes() const noexcept { return nodes_; }
  [[nodiscard]] std::vector<std::string> endpoints() const;

 private:
  ClusterOptions options_;
  std::vector<NodeProcess> nodes_;
};

// A port of 127.0.0.1 that nobody listens on now.
[[nodiscard]] std::uint16_t free_port();

}  // namespace aspen::e2e
