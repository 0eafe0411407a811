// Nodes with nothing but a NodeServer, each with a worker thread of its own, over TCP on loopback.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "node/actor/thread_system.h"
#include "node/adapter/posix/clock.h"
#include "node/adapter/posix/entropy.h"
#include "node/adapter/tcp/tcp_transport.h"
#include "node/adapter/tls/hmac_authenticator.h"
#include "node/cluster/node_server.h"
#include "node/cluster/remote_ref.h"

namespace aspen::cluster {

inline constexpr wire::CastType tcp_cast = 77;
inline constexpr wire::CastType tcp_named_cast = 78;

// What is said to an actor by name; nobody says an empty text.
struct Said {
  PeerId from;
  std::string text;
};
using ListenerProtocol = actor::Protocol<Said>;
inline Bytes encode_said(const Said& said) {
  return Bytes(said.text);
}
inline Result<Said> decode_said(const PeerId& from, GroupId group, const Bytes& payload) {
  if (group != the_group) return fail(Code::invalid_argument, "another group");
  if (payload.empty()) return fail(Code::invalid_argument, "an empty text");
  return Said{from, std::string(payload.view())};
}

class TcpNode {
 public:
  explicit TcpNode(std::uint64_t number, const std::string& secret = "0123456789abcdef")
      : authenticator_(secret) {
    memory_.identity = {
        ClusterId(0xc1), {NodeId(number), {0xd15c, number}}, "n" + std::to_string(number)};
    memory_.handlers[tcp_cast] = [this](const PeerId& from, GroupId, Bytes payload) {
      bytes_received.fetch_add(payload.size(), std::memory_order_relaxed);
      received.fetch_add(1, std::memory_order_relaxed);
      if (on_cast) on_cast(from, payload);
    };
    memory_.named_handlers[tcp_named_cast] = delivers_to<ListenerProtocol, Said>(decode_said);
    memory_.subscribers.push_back([this](const NodeEvent& event) {
      const std::lock_guard lock(mutex_);
      if (event.kind == NodeEvent::Kind::ready) ready_.insert({event.peer.id, event.epoch});
      if (event.kind == NodeEvent::Kind::disconnected) ready_.erase(event.peer.id);
      changed_.notify_all();
    });
    actor::ThreadOptions threads;
    threads.system.seed = number;
    threads.pollers = {transport_.get()};
    system_ = std::make_unique<actor::ThreadSystem>(std::move(threads), clock_);
    NodeServerOptions options;
    options.listen_address = "127.0.0.1:0";
    server = *system_->spawn<NodeServer>(
        {.name = "node_server", .mailbox_capacity = 65'536},
        NodeServerDeps{*transport_, authenticator_, entropy_, log_, telemetry_, memory_}, options);
    system_->start();
    address = status().listen_address;
  }
  TcpNode(const TcpNode&) = delete;
  TcpNode& operator=(const TcpNode&) = delete;
  ~TcpNode() { stop(); }

  void stop() {
    if (system_ == nullptr) return;
    EXPECT_TRUE(system_->stop(std::chrono::seconds(5)));
    system_.reset();
  }

  [[nodiscard]] NodeStatus status() {
    NodeStatus status;
    bool done = false;
    std::mutex mutex;
    std::condition_variable answered;
    server.ask_from_outside(GetStatus{}, [&](Result<NodeStatus>&& reply) {
      const std::lock_guard lock(mutex);
      if (reply) status = std::move(*reply);
      done = true;
      answered.notify_all();
    });
    std::unique_lock lock(mutex);
    EXPECT_TRUE(answered.wait_for(lock, std::chrono::seconds(10), [&] { return done; }));
    return status;
  }

  [[nodiscard]] Member member() const {
    return {.peer = {memory_.identity.self},
            .role = Role::voter,
            .name = memory_.identity.name,
            .peer_address = address,
            .client_addresses = {}};
  }

  // False if the peer is not (or not gone) within the time.
  [[nodiscard]] bool wait_ready(std::uint64_t peer, std::chrono::milliseconds longest) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, longest, [&] { return ready_.contains(NodeId(peer)); });
  }
  [[nodiscard]] bool wait_gone(std::uint64_t peer, std::chrono::milliseconds longest) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, longest, [&] { return !ready_.contains(NodeId(peer)); });
  }

  [[nodiscard]] actor::System& system() { return *system_; }

  NodeRef server;
  std::string address;
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> bytes_received{0};
  // Called on the node's thread; set before the members are.
  std::function<void(const PeerId& from, const Bytes& payload)> on_cast;

 private:
  adapter::posix::PosixClock clock_;
  adapter::posix::PosixEntropy entropy_;
  adapter::tls::HmacAuthenticator authenticator_;
  NullLog log_;
  NullTelemetry telemetry_;
  NodeMemory memory_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<NodeId, std::uint64_t> ready_;
  std::unique_ptr<adapter::tcp::TcpTransport> transport_ =
      std::move(*adapter::tcp::TcpTransport::create());
  std::unique_ptr<actor::ThreadSystem> system_;
};

// Tells all nodes of each other and waits until all are linked.
inline void link_all(const std::vector<TcpNode*>& nodes) {
  Config config;
  for (TcpNode* node : nodes) config.members.push_back(node->member());
  for (TcpNode* node : nodes) ASSERT_TRUE(node->server.tell(SetMembers{config}));
  for (TcpNode* node : nodes) {
    for (const Member& member : config.members) {
      if (member.peer.id == node->member().peer.id) continue;
      ASSERT_TRUE(node->wait_ready(member.peer.id.value, std::chrono::seconds(10)));
    }
  }
}

}  // namespace aspen::cluster
