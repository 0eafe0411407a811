// Replicas of one group in virtual time: the real actors over a log and a state store in memory,
// with a network that a test cuts. One thread; the same seed replays.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "node/actor/sim_system.h"
#include "node/replica/node_actor.h"
#include "node/replica/raft_actor.h"
#include "tests/contract/memory_log_store.h"
#include "tests/contract/memory_state_store.h"
#include "tests/contract/sim_file_system.h"
#include "tests/replica/faulty_log.h"
#include "tests/replica/named_telemetry.h"

namespace aspen::replica {

class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(Prng prng) : prng_(prng) {}
  void fill(std::span<std::byte> space) noexcept override;

 private:
  Prng prng_;
};

class MemoryIdentityStore final : public IdentityStore {
 public:
  [[nodiscard]] Result<Identity> load() override { return load(identity); }
  [[nodiscard]] Result<void> save(const Identity& value) override {
    if (!full && value.initialised()) places.insert({value.cluster.value, value.self.id.value});
    return save(identity, value);
  }
  [[nodiscard]] Result<Identity> load_plan() override { return load(plan); }
  [[nodiscard]] Result<void> save_plan(const Identity& value) override { return save(plan, value); }

  std::optional<Identity> identity;
  std::optional<Identity> plan;
  bool full = false;                                         // saves fail with no_space
  std::set<std::pair<std::uint64_t, std::uint64_t>> places;  // that were ever saved: cluster, node

 private:
  [[nodiscard]] static Result<Identity> load(const std::optional<Identity>& slot);
  [[nodiscard]] Result<void> save(std::optional<Identity>& slot, const Identity& value) const;
};

class RecordedHealth final : public HealthBoard {
 public:
  void publish(Health health, Instant) override { last = std::move(health); }
  [[nodiscard]] Health current(Instant) const override { return last; }
  Health last;
};

class RecordedFatal final : public Fatal {
 public:
  void fail(std::string_view, const Error& error) noexcept override { errors.push_back(error); }
  std::vector<Error> errors;
};

class RecordedLog final : public LogSink {
 public:
  void write(LogLevel level, std::string_view, std::string_view message,
             std::initializer_list<LogField>) override {
    if (level >= LogLevel::warn) warnings.emplace_back(message);
  }
  std::vector<std::string> warnings;
};

class SimCluster;

// A send within a test's own bounds.
void told(const Result<void>& sent);

// One node. Its stores outlive its System, as a disk outlives a process.
class SimNode final : public Peers {
 public:
  SimNode(SimCluster& cluster, std::size_t index);

  void start();
  // The process dies; `kept` of the state's unflushed batches survive, or some.
  void crash(std::optional<std::size_t> kept = std::nullopt);

  void cast(std::vector<OutgoingCast> casts) override;
  void transfer(OutgoingCast each) override { cast({std::move(each)}); }
  void set_members(ClusterId cluster, const PeerId& self, const Config& config) override;
  void probe(const std::string& address, Duration timeout,
             std::function<void(Result<wire::ProbeReply>)> done) override;
  void assign(const std::string& address, const wire::Assign& assign, Duration timeout,
              std::function<void(Result<void>)> done) override;

  // A put of `value` at `key`, answered into the returned slot.
  using Answer = std::shared_ptr<std::optional<Result<CommandReply>>>;
  Answer put(const std::string& key, const std::string& value, Duration timeout);
  using ReadAnswer = std::shared_ptr<std::optional<Result<ReadReply>>>;
  ReadAnswer get(const std::string& key, Duration timeout);
  using ControlSlot = std::shared_ptr<std::optional<Result<ControlAnswer>>>;
  ControlSlot control(decltype(Control::what) what, Duration timeout);
  [[nodiscard]] ReplicaView view();
  [[nodiscard]] NodePhase phase();
  [[nodiscard]] NodeId id() const { return identity.identity->self.id; }

  SimCluster& cluster;
  std::size_t index;
  std::shared_ptr<contract::MemoryLogStore> log = std::make_shared<contract::MemoryLogStore>();
  LogFaults log_faults;
  contract::SimFileSystem files;
  contract::MemoryStateStore state{files};
  MemoryIdentityStore identity;
  RecordedHealth health;
  RecordedFatal fatal;
  SeededEntropy entropy;
  NamedTelemetry telemetry;
  RecordedLog log_sink;
  Advertised advertised;
  Config members;
  std::uint64_t free_bytes = UINT64_MAX;
  std::uint64_t log_bytes_max = 0;           // 0: no snapshots are needed
  std::unique_ptr<actor::SimSystem> system;  // null: crashed
  actor::Ref<RaftProtocol> raft;
  actor::Ref<NodeProtocol> node;
};

class SimCluster {
 public:
  SimCluster(std::size_t nodes, std::uint64_t seed);
  ~SimCluster();

  // Init at node 0, which must succeed, and a leader.
  void init() { init(nodes.size()); }
  // The first nodes alone: the others stay empty.
  void init(std::size_t members);
  [[nodiscard]] InitCluster init_request() const { return init_request(nodes.size()); }
  [[nodiscard]] InitCluster init_request(std::size_t members) const;
  void run_for(Duration duration) { world.run_for(duration); }
  // Runs until the condition holds. False if it does not within a minute of virtual time.
  bool run_until(const std::function<bool()>& condition);
  [[nodiscard]] std::optional<std::size_t> leader();

  // No cast passes between `node` and the others, in either direction.
  void isolate(std::size_t node) { isolated.insert(node); }
  void heal() { isolated.clear(); }
  [[nodiscard]] SimNode* find(NodeId id);
  [[nodiscard]] SimNode& at(std::size_t i) { return *nodes[i]; }

  actor::SimWorld world;
  Prng prng;
  std::vector<std::unique_ptr<SimNode>> nodes;
  std::set<std::size_t> isolated;
  std::function<bool(const OutgoingCast&)> lose;    // a cast that the network loses
  std::function<bool(const OutgoingCast&)> unsent;  // a cast that does not leave its node
  std::function<void()> on_assign;                  // just before an assignment is delivered
};

}  // namespace aspen::replica
