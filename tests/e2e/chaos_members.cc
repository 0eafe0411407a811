// aspen-chaos members: a cluster of real processes grows and shrinks under writing clients while
// random members are killed. Every change ends, and nothing acknowledged is lost.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "aspen/v1/cluster.grpc.pb.h"
#include "node/base/assert.h"
#include "node/base/prng.h"
#include "tests/e2e/chaos.h"
#include "tests/e2e/chaos_checks.h"
#include "tests/e2e/chaos_clients.h"
#include "tests/e2e/cluster_client.h"
#include "tests/e2e/processes.h"

namespace aspen::e2e {
namespace {

using aspen::v1::Cluster;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Set = std::set<std::size_t>;

constexpr std::size_t node_count = 5;
constexpr std::size_t register_clients = 4;
constexpr seconds kill_interval{5};
constexpr seconds dwell{6};  // at least, in each membership, so that each sees a death
constexpr seconds step_patience{120};

// Starts and ends nodes, all in one thread: a node dies with the thread that started it. It kills a
// random member every five seconds and starts it again.
class Killer {
 public:
  Killer(ClusterProcesses& cluster, const std::atomic<std::uint64_t>& members, Prng prng)
      : cluster_(cluster), members_(members), prng_(prng) {}

  // Until `over`.
  void run(const std::atomic<bool>& over) {
    while (!pause(over, kill_interval)) {
      const std::size_t victim = pick();
      cluster_.kill9(victim);
      ++kills_;
      pause(over, milliseconds(prng_.below(500)));
      if (cluster_.nodes()[victim].pid == 0) cluster_.start(victim);
    }
  }
  // From another thread: returns when the node runs again, with an empty directory.
  void start_empty(std::size_t node) {
    wiped_.store(node);
    ASPEN_ASSERT(eventually([this] { return wiped_.load() == nobody; }));
  }
  [[nodiscard]] std::size_t kills() const { return kills_; }

 private:
  static constexpr std::size_t nobody = SIZE_MAX;

  std::size_t pick() {
    for (;;) {
      const std::size_t picked = prng_.below(cluster_.nodes().size());
      if ((members_.load() >> picked & 1U) != 0) return picked;
    }
  }
  // Whether the run is over.
  bool pause(const std::atomic<bool>& over, milliseconds duration) {
    return eventually(
        [&] {
          wipe();
          return over.load();
        },
        duration);
  }
  void wipe() {
    const std::size_t node = wiped_.load();
    if (node == nobody) return;
    cluster_.kill9(node);
    std::filesystem::remove_all(cluster_.nodes()[node].directory);
    cluster_.start(node);
    wiped_.store(nobody);
  }

  ClusterProcesses& cluster_;
  const std::atomic<std::uint64_t>& members_;
  Prng prng_;
  std::atomic<std::size_t> kills_{0};
  std::atomic<std::size_t> wiped_{nobody};
};

std::string text_of(const Set& nodes) {
  std::string text;
  for (const std::size_t node : nodes)
    text += (text.empty() ? "n" : ",n") + std::to_string(node + 1);
  return text;
}

class MembersChaos {
 public:
  explicit MembersChaos(const Settings& settings)
      : settings_(settings),
        prng_(settings.seed),
        cluster_({settings.binary, settings.directory, node_count, {"--segment-bytes=16MiB"}}),
        client_(cluster_),
        members_(std::make_shared<std::atomic<std::uint64_t>>(1)) {
    for (std::size_t i = 0; i < node_count; ++i) {
      stubs_.push_back(Cluster::NewStub(client_.channel(i)));
    }
  }

  int run() {
    cluster_.start_all();
    const bool made = eventually([this] { return client_.init(1); }, seconds(60));
    if (!expect(made, "a cluster of one is made")) return 1;
    ChaosClients clients(
        {cluster_.endpoints(), settings_.clients, register_clients, 8, settings_.seed, members_});
    clients.start();
    std::atomic<bool> over{false};
    std::jthread changes([&] {
      for (std::size_t round = 0; round < settings_.rounds && failures_ == 0; ++round) cycle();
      over = true;
    });
    killer_.run(over);
    changes.join();
    clients.stop();
    if (failures_ == 0) check(clients);
    report(clients);
    return failures_ == 0 ? 0 : 1;
  }

 private:
  bool expect(bool fact, const std::string& what) {
    if (fact) return true;
    fmt::print("FAILED: {} (data in {}, seed {})\n", what, settings_.directory, settings_.seed);
    ++failures_;
    return false;
  }

  void cycle() {
    Set all;
    for (std::size_t i = 0; i < node_count; ++i) all.insert(i);
    if (!reach(any(3, all, now_)) || !reach(all) || !replace()) return;
    const Set three = any(3, all, {});
    if (!reach(three) || !reach(any(1, three, {}))) return;
    for (std::size_t i = 0; i < node_count; ++i) {
      if (now_.count(i) == 0) killer_.start_empty(i);
    }
  }

  // `count` nodes of `from`, those of `with` among them.
  Set any(std::size_t count, const Set& from, Set with) {
    while (with.size() < count) {
      const auto picked =
          std::next(from.begin(), static_cast<std::ptrdiff_t>(prng_.below(from.size())));
      with.insert(*picked);
    }
    return with;
  }

  // A member loses its disk: it is removed and added again, the documented way.
  bool replace() {
    const std::size_t lost = *any(1, now_, {}).begin();
    const auto before = state();
    if (!expect(before.has_value(), "the state is known")) return false;
    const std::uint64_t former = id_of(*before, lost).value_or(0);
    killer_.start_empty(lost);
    const auto begin = std::chrono::steady_clock::now();
    const bool removed = eventually(
        [&] {
          const auto seen = state();
          if (!seen || id_of(*seen, lost) != former) return seen.has_value();
          aspen::v1::RemoveNodeRequest request;
          aspen::v1::RemoveNodeResponse response;
          *request.mutable_expect() = seen->config_id();
          request.set_node_id(former);
          return told(stub()->RemoveNode(context(seconds(10)).get(), request, &response));
        },
        step_patience);
    if (!expect(removed, "the member without a disk is removed")) return false;
    fmt::print("n{} lost its disk and was removed after {} ms\n", lost + 1, ms_since(begin));
    return reach(now_);
  }

  bool reach(const Set& voters) {
    const auto begin = std::chrono::steady_clock::now();
    last_refusal_.clear();
    const bool done = eventually([&] { return approach(voters); }, step_patience);
    if (!expect(done, "the voters are " + text_of(voters) + ": " + last_refusal_)) return false;
    now_ = voters;
    std::uint64_t mask = 0;
    for (const std::size_t node : voters) mask |= std::uint64_t{1} << node;
    members_->store(mask);
    fmt::print("{}: after {} ms, {} deaths so far\n", text_of(voters), ms_since(begin),
               killer_.kills());
    std::fflush(stdout);
    std::this_thread::sleep_until(begin + dwell);
    return true;
  }

  // One change of those that are left. Whether none is.
  bool approach(const Set& wanted) {
    const auto seen = state();
    if (!seen) return false;
    for (const std::size_t node : wanted) {
      if (!id_of(*seen, node)) return told(add(node, *seen)) && false;
    }
    aspen::v1::ChangeMembershipRequest request;
    aspen::v1::ChangeMembershipResponse response;
    for (const std::size_t node : wanted) request.add_voters(*id_of(*seen, node));
    const auto is_wanted = [&](const aspen::v1::Member& member) {
      return std::find(request.voters().begin(), request.voters().end(), member.node_id()) !=
                 request.voters().end() &&
             member.role() == aspen::v1::MEMBER_ROLE_VOTER;
    };
    const bool reached = std::all_of(seen->members().begin(), seen->members().end(), is_wanted);
    if (reached) return true;
    *request.mutable_expect() = seen->config_id();
    told(stub()->ChangeMembership(context(seconds(10)).get(), request, &response));
    return false;
  }

  grpc::Status add(std::size_t node, const aspen::v1::StateResponse& seen) {
    aspen::v1::AddLearnerRequest request;
    aspen::v1::AddLearnerResponse response;
    *request.mutable_expect() = seen.config_id();
    auto& member = *request.mutable_member();
    const NodeProcess& process = cluster_.nodes()[node];
    member.set_name(process.name);
    member.set_peer_address("127.0.0.1:" + std::to_string(process.peer_port));
    member.add_client_addresses(process.client_address());
    return stub()->AddLearner(context(seconds(10)).get(), request, &response);
  }

  bool told(const grpc::Status& status) {
    if (!status.ok()) last_refusal_ = status.error_message();
    return status.ok();
  }

  // A random member's.
  Cluster::Stub* stub() { return stubs_[*any(1, now_, {}).begin()].get(); }

  // Of a member that knows of a leader.
  std::optional<aspen::v1::StateResponse> state() {
    aspen::v1::StateResponse response;
    const grpc::Status status = stub()->State(context(seconds(1)).get(), {}, &response);
    if (!status.ok() || !response.has_leader()) return std::nullopt;
    return response;
  }

  [[nodiscard]] std::optional<std::uint64_t> id_of(const aspen::v1::StateResponse& seen,
                                                   std::size_t node) const {
    for (const auto& member : seen.members()) {
      if (member.name() == cluster_.nodes()[node].name) return member.node_id();
    }
    return std::nullopt;
  }

  static std::int64_t ms_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin)
        .count();
  }

  void check(const ChaosClients& clients) {
    StoredWrites stored;
    const auto& channel = client_.channel(*now_.begin());
    const bool read = eventually([&] { return read_writes(channel, stored); }, seconds(60));
    if (!expect(read, "the state can be read")) return;
    for (const std::string& wrong : faults_of(clients.writes(), stored)) expect(false, wrong);
    linearizable_ = linearizability_of(clients.history());
    expect(linearizable_ == "yes", "the history is proved to be linearizable: " + linearizable_);
  }

  void report(const ChaosClients& clients) {
    std::map<Told, std::size_t> counts;
    for (const WriteRecord& write : clients.writes()) ++counts[write.told];
    fmt::print(
        "{} rounds of 1 -> 3 -> 5 -> 3 -> 1, {} members killed, {} writing clients, seed {}\n"
        "writes: {} acknowledged, {} unknown, {} refused\n"
        "history of {} operations linearizable: {}\n{}\n",
        settings_.rounds, killer_.kills(), settings_.clients, settings_.seed, counts[Told::done],
        counts[Told::unknown], counts[Told::refused], clients.history().size(), linearizable_,
        failures_ == 0 ? "clean" : "FAILED");
  }

  const Settings settings_;
  Prng prng_;
  ClusterProcesses cluster_;
  ClusterClient client_;
  std::vector<std::unique_ptr<Cluster::Stub>> stubs_;
  std::shared_ptr<std::atomic<std::uint64_t>> members_;  // that clients use and that may be killed
  Killer killer_{cluster_, *members_, prng_.split("killer")};
  Set now_{0};
  std::string last_refusal_;
  std::string linearizable_ = "not checked";
  int failures_ = 0;
};

}  // namespace

int run_members_chaos(const Settings& settings) {
  return MembersChaos(settings).run();
}

}  // namespace aspen::e2e
