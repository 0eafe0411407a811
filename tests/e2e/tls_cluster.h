// Three nodes with mutual TLS on both ports and no peer secret, the authorities and certificates
// they and their clients have, and clients that connect with them.
//
// Owner and thread: one test; clients may run on threads of their own.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/test_cluster.h"
#include "tests/support/certificates.h"

namespace aspen::e2e {

class TlsCluster {
 public:
  static constexpr std::size_t node_count = 3;
  enum class Port : std::uint8_t { client, peer };

  TlsCluster();
  TlsCluster(const TlsCluster&) = delete;
  TlsCluster& operator=(const TlsCluster&) = delete;

  // Every node runs, Init is done, all are linked. Fails the test otherwise.
  void start();
  void start(std::size_t node);
  [[nodiscard]] bool ready(std::size_t node) const;

  // Certificates for this machine's address (client port) or for the node's name (peer port).
  [[nodiscard]] support::CertificateSpec spec(std::size_t node, Port port) const;
  void write_certificate(std::size_t node, Port port, const support::Issued& issued);
  void write_bundle(std::size_t node, const std::string& bundle);
  // Certificates of `authority` for all nodes, good for `lifetime`.
  void renew_all(support::CertificateAuthority& authority, std::chrono::hours lifetime);
  // Whether each node has said so often that certificates were renewed.
  [[nodiscard]] bool renewed(std::size_t times) const;

  // What new clients connect with; also in files, for programs.
  void use_client(const support::Issued& issued, const std::string& roots);
  [[nodiscard]] std::shared_ptr<grpc::Channel> connect(std::size_t node) const;
  [[nodiscard]] std::shared_ptr<grpc::Channel> connect(std::size_t node,
                                                       const support::Issued& issued,
                                                       const std::string& roots) const;
  // Fails fast.
  static grpc::Status put(const std::shared_ptr<grpc::Channel>& channel, const std::string& key);
  [[nodiscard]] std::optional<std::size_t> leader() const;
  [[nodiscard]] std::size_t count_keys() const;
  [[nodiscard]] Ended etcdctl(std::size_t node, const std::vector<std::string>& words) const;
  [[nodiscard]] Ended aspenctl(std::size_t node, const std::vector<std::string>& words) const;
  [[nodiscard]] std::vector<std::string> client_flags() const;

  [[nodiscard]] std::string log(std::size_t node) const;
  [[nodiscard]] std::size_t log_count(std::size_t node, const std::string& text) const;
  // The value of a metric's series, -1 if there is none.
  [[nodiscard]] double metric(std::size_t node, const std::string& series) const;
  // Stops the process for so long that its links are given up, and lets it go on.
  void let_links_break(std::size_t node);

  [[nodiscard]] ClusterProcesses& processes() noexcept { return processes_; }
  [[nodiscard]] const NodeProcess& node(std::size_t i) const { return processes_.nodes().at(i); }
  support::CertificateAuthority& authority() noexcept { return authority_; }

 private:
  [[nodiscard]] std::string file(std::size_t node, Port port, const std::string& name) const;
  [[nodiscard]] bool init();

  TemporaryFolder folder_;
  support::CertificateAuthority authority_{"first authority"};
  ClusterProcesses processes_;
  mutable std::mutex mutex_;  // guards the two below
  support::Issued client_;
  std::string client_roots_;
};

// Writes all the time, through some of the nodes; each request must succeed.
class TlsLoad {
 public:
  TlsLoad(const TlsCluster& cluster, std::vector<std::size_t> nodes);
  ~TlsLoad() { stop(); }
  TlsLoad(const TlsLoad&) = delete;
  TlsLoad& operator=(const TlsLoad&) = delete;

  void stop();
  // At least `more` requests from now. False if they do not come.
  [[nodiscard]] bool goes_on(std::size_t more);
  [[nodiscard]] std::size_t done() const { return done_; }
  [[nodiscard]] std::vector<std::string> failures() const;

 private:
  // One that keeps its connection, and one that makes a new one for every few requests.
  enum class Habit : std::uint8_t { stays, comes_and_goes };
  void run(const TlsCluster& cluster, std::size_t node, Habit habit);

  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> done_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> failures_;
  std::vector<std::jthread> threads_;
};

}  // namespace aspen::e2e
