// A small deterministic cluster: cores, a model disk that may lose what was not synced, and a
// network that a test moves by hand or by dice. It checks on every commit that all replicas apply
// the same entries, and after every step the invariants of each core.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/base/prng.h"
#include "node/raft/core.h"

namespace aspen::raft {

inline PeerId peer_id(std::uint64_t n) {
  return PeerId{NodeId(n), Incarnation{7, n}};
}
Config voters(std::uint64_t count);
Entry config_entry(LogId id, const Config& config);
Entry command(std::uint64_t term, std::uint64_t index, const std::string& text = "x");
Tuning small_tuning();

// The durable image of one node, and a core above it.
struct Node {
  PeerId self;
  std::optional<Core> core;  // empty: down
  HardState hard_state;
  LogId purged;
  Config purged_config;
  LogId purged_config_id;
  std::vector<Entry> log;  // durable, behind `purged`
  std::vector<LogIo> writing;
  IoId durable;
  std::vector<Send> parked;
  Index applied;
  Index applied_durable;
  std::vector<Completion> completions;
  std::vector<ReadGrant> grants;
  std::optional<Index> purge_told;
  Tuning tuning;

  [[nodiscard]] bool leads() const { return core && core->soft().role == RoleState::leader; }
  [[nodiscard]] Metrics metrics() const { return core->metrics(); }
  [[nodiscard]] const Completion* completion(std::uint64_t request) const;
  [[nodiscard]] std::optional<Index> grant(std::uint64_t request) const;
};

struct Packet {
  PeerId from;
  PeerId to;
  Message message;
};

class Cluster {
 public:
  // Every node boots with the configuration as its only entry.
  Cluster(std::uint64_t nodes, std::uint64_t seed, Tuning tuning = small_tuning());

  [[nodiscard]] Node& node(std::uint64_t n) { return nodes_.at(n - 1); }
  [[nodiscard]] std::uint64_t size() const { return nodes_.size(); }
  // 0: none, or more than one in the highest term (which is a failure).
  [[nodiscard]] std::uint64_t leader() const;

  // One turn: all inputs, one flush. With automatic disks the writes are durable at once.
  void turn(std::uint64_t n, std::vector<Input> inputs);
  void tick(std::uint64_t n) { turn(n, {Tick{}}); }
  void tick_all();
  // The oldest `writes` of a node become durable.
  void sync(std::uint64_t n, std::size_t writes);
  void deliver(std::size_t packet);
  void drop(std::size_t packet) { network.erase(network.begin() + static_cast<long>(packet)); }
  // Delivers, oldest first, until nothing is under way.
  void settle();
  // Ticks and settles until there is a leader that everybody who is up follows.
  [[nodiscard]] std::uint64_t elect(std::uint64_t ticks_max = 2000);
  // Makes node n the leader by its own campaign.
  void make_leader(std::uint64_t n);
  std::uint64_t propose(std::uint64_t n, const std::string& text = "x");
  std::uint64_t read(std::uint64_t n);

  // `kept`: how many of the writes that were not synced survive, as a prefix.
  void crash(std::uint64_t n, std::size_t kept = 0);
  void restart(std::uint64_t n);

  std::vector<Packet> network;
  // A packet for which it returns false is dropped when sent.
  std::function<bool(const Packet&)> passes = [](const Packet&) { return true; };
  bool automatic_disks = true;
  Prng dice;
  // What was committed anywhere, by index.
  std::map<std::uint64_t, Entry> committed;
  std::map<std::uint64_t, NodeId> leader_of_term;

 private:
  void boot(Node& node);
  void perform(Node& node, Effects effects);
  void write(Node& node, const LogIo& io);
  void apply(Node& node, const CommitRange& range);
  void release(Node& node, Send send);
  void purge(Node& node, Index through);
  void check(const Node& node);

  std::vector<Node> nodes_;
  std::uint64_t last_request_ = 0;
};

}  // namespace aspen::raft
