// Three processes of one kind on loopback ports, with their data under a directory: started, waited
// for until a leader is known, and stopped.
//
// Owner: the comparison. Thread: one; start blocks. A process dies with its parent.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace aspen::bench {

enum class Kind { aspen, etcd };

class BenchCluster {
 public:
  // `binary` is a path or a name on PATH. Fails with a text for people.
  [[nodiscard]] static tl::expected<std::unique_ptr<BenchCluster>, std::string> start(
      Kind kind, const std::string& binary, const std::string& directory);
  // For start() alone.
  BenchCluster(Kind kind, std::string binary, std::string directory);
  ~BenchCluster();
  BenchCluster(const BenchCluster&) = delete;
  BenchCluster& operator=(const BenchCluster&) = delete;

  [[nodiscard]] const std::vector<std::string>& endpoints() const { return client_; }
  // Of the three together, since their start.
  [[nodiscard]] double cpu_seconds() const;
  // The largest of the three.
  [[nodiscard]] double resident_bytes_max() const;

 private:
  [[nodiscard]] tl::expected<void, std::string> start_all();
  [[nodiscard]] std::vector<std::string> arguments_of(std::size_t node) const;
  [[nodiscard]] tl::expected<void, std::string> init_aspen() const;
  [[nodiscard]] bool alive() const;

  const Kind kind_;
  const std::string binary_;
  const std::string directory_;
  std::vector<std::string> client_;
  std::vector<std::string> peer_;
  std::vector<std::string> http_;
  std::vector<pid_t> pids_;
};

}  // namespace aspen::bench
