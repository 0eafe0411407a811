// A cluster of real processes with the clients that a test needs: what it writes, reads and asks.
//
// Owner and thread: one test, one thread. Files go to a temporary folder that is removed with it,
// unless the test failed.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "etcd/rpc.grpc.pb.h"
#include "tests/e2e/cluster_client.h"
#include "tests/e2e/processes.h"
#include "tests/support/temporary_folder.h"

namespace aspen::e2e {

// The program of that name beside the one that runs.
[[nodiscard]] std::string program(const std::string& name);

using support::TemporaryFolder;

enum class Consistency : std::uint8_t { linearizable, serializable };

struct HttpAnswer {
  int status = 0;
  std::string body;
};

class TestCluster {
 public:
  static constexpr std::size_t node_count = 3;

  explicit TestCluster(const std::string& election_timeout = "500ms");
  TestCluster(const TestCluster&) = delete;
  TestCluster& operator=(const TestCluster&) = delete;

  // Every node runs, Init is done, a leader is known to all. Fails the test otherwise.
  void start();
  [[nodiscard]] bool init() { return client_.init(); }
  [[nodiscard]] bool all_ready();

  [[nodiscard]] ClusterProcesses& processes() noexcept { return processes_; }
  [[nodiscard]] const NodeProcess& node(std::size_t i) const { return processes_.nodes().at(i); }
  [[nodiscard]] std::string log(std::size_t node) const;
  [[nodiscard]] bool logged(std::size_t node, const std::string& text) const;

  // The node that calls itself the leader.
  [[nodiscard]] std::optional<std::size_t> leader() { return client_.leader(); }
  [[nodiscard]] std::size_t await_leader();
  [[nodiscard]] std::optional<etcdserverpb::StatusResponse> status(std::size_t node) {
    return client_.status(node);
  }

  grpc::Status put(std::size_t node, const std::string& key, const std::string& value,
                   std::chrono::milliseconds timeout = std::chrono::seconds(10));
  // Nothing if the key is not there or the read failed.
  std::optional<std::string> get(std::size_t node, const std::string& key,
                                 Consistency consistency = Consistency::linearizable);
  // A write through `node` that succeeds in the end.
  [[nodiscard]] bool eventually_put(std::size_t node, const std::string& key,
                                    const std::string& value);
  [[nodiscard]] bool hashes_equal() { return client_.hashes_equal(); }
  [[nodiscard]] etcdserverpb::KV::Stub& kv(std::size_t node) { return *stubs_.at(node); }
  [[nodiscard]] HttpAnswer http(std::size_t node, const std::string& path) const;
  // What `aspenctl` with these words prints about node `node`.
  [[nodiscard]] Ended ctl(std::size_t node, const std::vector<std::string>& words) const;

 private:
  TemporaryFolder folder_;
  ClusterProcesses processes_;
  ClusterClient client_;
  std::vector<std::unique_ptr<etcdserverpb::KV::Stub>> stubs_;
};

// A TCP connection to a port of 127.0.0.1.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  [[nodiscard]] bool connected() const noexcept { return fd_ >= 0; }
  void send(std::string_view bytes);
  // Reads to the end of the stream. False if the other side has not ended it in time.
  [[nodiscard]] bool ends_within(std::chrono::milliseconds patience,
                                 std::string* received = nullptr);

 private:
  int fd_ = -1;
};

}  // namespace aspen::e2e
