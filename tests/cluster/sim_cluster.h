// Nodes with nothing but a NodeServer, on a simulated network under virtual time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "node/actor/sim_system.h"
#include "node/cluster/node_server.h"
#include "tests/cluster/toy_authenticator.h"
#include "tests/contract/counting_telemetry.h"
#include "tests/contract/sim_transport.h"

namespace aspen::cluster {

class SimEntropy final : public Entropy {
 public:
  explicit SimEntropy(Prng prng) : prng_(prng) {}
  void fill(std::span<std::byte> space) noexcept override {
    for (std::byte& byte : space) byte = static_cast<std::byte>(prng_.next());
  }

 private:
  Prng prng_;
};

class KeptLog final : public LogSink {
 public:
  void write(LogLevel level, std::string_view, std::string_view message,
             std::initializer_list<LogField>) override {
    if (level >= LogLevel::warn) lines.emplace_back(message);
  }
  [[nodiscard]] bool has(std::string_view text) const { return count(text) > 0; }
  [[nodiscard]] std::size_t count(std::string_view text) const {
    return static_cast<std::size_t>(std::count_if(
        lines.begin(), lines.end(),
        [text](const std::string& line) { return line.find(text) != std::string::npos; }));
  }
  std::vector<std::string> lines;
};

inline constexpr ClusterId test_cluster{0xc1};
inline constexpr wire::CastType test_cast = 77;

[[nodiscard]] inline Incarnation test_disk(std::uint64_t n) {
  return {0xd15c, n};
}
[[nodiscard]] inline std::string test_host(std::uint64_t n) {
  return "host" + std::to_string(n);
}
[[nodiscard]] inline Member test_member(std::uint64_t n) {
  return {.peer = {NodeId(n), test_disk(n)},
          .role = Role::voter,
          .name = "n" + std::to_string(n),
          .peer_address = test_host(n) + ":2380",
          .client_addresses = {}};
}

// One node's process.
class SimNode {
 public:
  struct Received {
    PeerId from;
    std::string payload;
  };

  SimNode(actor::SimWorld& world, sim::SimNetwork& network, std::uint64_t number,
          std::string secret)
      : world_(world),
        network_(network),
        number_(number),
        authenticator_(std::move(secret)),
        entropy_(world.split_prng("entropy" + std::to_string(number))) {
    memory.identity = {
        test_cluster, {NodeId(number), test_disk(number)}, "n" + std::to_string(number)};
  }
  SimNode(const SimNode&) = delete;
  SimNode& operator=(const SimNode&) = delete;

  void start() {
    ++starts_;
    system_ = std::make_unique<actor::SimSystem>(
        actor::SystemOptions{.workers = 1, .seed = number_ * 1000 + starts_, .on_give_up = {}},
        world_);
    memory.handlers[test_cast] = [this](const PeerId& from, GroupId, Bytes payload) {
      received.push_back({from, std::string(payload.view())});
    };
    memory.subscribers = {[this](const NodeEvent& event) {
      events.push_back(event);
      if (event.kind == NodeEvent::Kind::ready) ready[event.peer.id] = event.epoch;
      if (event.kind == NodeEvent::Kind::disconnected) ready.erase(event.peer.id);
    }};
    memory.unsent_handler = [this](const Cast& cast) { unsent.emplace_back(cast.payload.view()); };
    const NodeServerDeps deps{
        network_.host(test_host(number_)), authenticator_, entropy_, log, telemetry, memory};
    server = *system_->spawn_from<NodeServer>(
        {.name = "node_server", .mailbox_capacity = 4096},
        [deps, tuning = options] { return std::make_unique<NodeServer>(deps, tuning); });
  }
  void crash() {
    if (system_ != nullptr) system_->crash();
    system_.reset();
    ready.clear();
  }
  void stop() { system_->stop(); }
  [[nodiscard]] bool running() const { return system_ != nullptr; }

  void cast(std::uint64_t to, const std::string& payload) {
    static_cast<void>(server.tell(Cast{NodeId(to), {}, the_group, test_cast, "", Bytes(payload)}));
  }
  [[nodiscard]] NodeStatus status() {
    NodeStatus status;
    bool done = false;
    server.ask_from_outside(GetStatus{}, [&](Result<NodeStatus>&& reply) {
      status = std::move(*reply);
      done = true;
    });
    world_.run_until_idle();
    EXPECT_TRUE(done);
    return status;
  }
  [[nodiscard]] std::size_t count(NodeEvent::Kind kind) const {
    return static_cast<std::size_t>(
        std::count_if(events.begin(), events.end(),
                      [kind](const NodeEvent& event) { return event.kind == kind; }));
  }

  NodeMemory memory;
  CountingTelemetry telemetry;
  NodeServerOptions options;
  KeptLog log;
  NodeRef server;
  std::vector<Received> received;
  std::vector<std::string> unsent;
  std::vector<NodeEvent> events;
  std::map<NodeId, std::uint64_t> ready;  // the epoch of each ready peer

 private:
  actor::SimWorld& world_;
  sim::SimNetwork& network_;
  std::uint64_t number_;
  std::uint64_t starts_ = 0;
  ToyAuthenticator authenticator_;
  SimEntropy entropy_;
  std::unique_ptr<actor::SimSystem> system_;
};

class SimCluster {
 public:
  explicit SimCluster(std::uint64_t seed, std::uint64_t nodes = 3, sim::NetworkTuning tuning = {})
      : world(seed),
        network(
            [this](Duration delay, std::function<void()> run) {
              world.schedule(world.now() + delay, std::move(run));
            },
            world.split_prng("network"), tuning) {
    for (std::uint64_t n = 1; n <= nodes; ++n) config.members.push_back(test_member(n));
    for (std::uint64_t n = 1; n <= nodes; ++n) {
      nodes_[n] = std::make_unique<SimNode>(world, network, n, "secret");
      nodes_[n]->memory.members = config;
    }
  }
  ~SimCluster() {
    for (auto& [number, node] : nodes_) node->crash();
  }
  SimCluster(const SimCluster&) = delete;
  SimCluster& operator=(const SimCluster&) = delete;

  void start() {
    for (auto& [number, node] : nodes_) node->start();
  }
  [[nodiscard]] SimNode& node(std::uint64_t n) { return *nodes_.at(n); }
  SimNode& add(std::uint64_t n, std::string secret = "secret") {
    nodes_[n] = std::make_unique<SimNode>(world, network, n, std::move(secret));
    return *nodes_[n];
  }

  // Every running node is linked with every other one, and both sides agree on it.
  [[nodiscard]] bool all_linked() const {
    for (const auto& [a, one] : nodes_) {
      for (const auto& [b, other] : nodes_) {
        if (a != b && one->running() && other->running() && !one->ready.contains(NodeId(b))) {
          return false;
        }
      }
    }
    return true;
  }
  // How long it took; the limit if it did not come.
  template <class F>
  Duration run_until(F done, Duration limit) {
    const Instant start = world.now();
    while (!done() && world.now() < start + limit) world.run_for(std::chrono::milliseconds(1));
    return world.now() - start;
  }

  actor::SimWorld world;
  sim::SimNetwork network;
  Config config;

 private:
  std::map<std::uint64_t, std::unique_ptr<SimNode>> nodes_;
};

}  // namespace aspen::cluster
