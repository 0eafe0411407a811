// aspen-chaos: kill -9 and restart of nodes, every second time of the leader, under writing
// clients, on real processes; or the end of one actor of a node, of every kind in turn. Checks that
// no acknowledged write is lost, that none that was refused took effect, that no revision is given
// twice, that reads, writes and compare-and-swaps of clients are linearizable, and that all members
// hold the same at the end. Prints how long writes paused.
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "etcd/rpc.grpc.pb.h"
#include "node/base/prng.h"
#include "tests/e2e/actor_client.h"
#include "tests/e2e/chaos.h"
#include "tests/e2e/chaos_checks.h"
#include "tests/e2e/chaos_clients.h"
#include "tests/e2e/cluster_client.h"
#include "tests/e2e/processes.h"

namespace aspen::e2e {
namespace {

constexpr std::chrono::seconds patience{60};

bool eventually(const std::function<bool()>& condition) {
  return e2e::eventually(condition, patience);
}

class Chaos {
 public:
  explicit Chaos(const Settings& settings)
      : settings_(settings),
        prng_(settings.seed),
        cluster_({settings.binary, settings.directory, settings.nodes, {"--segment-bytes=16MiB"}}),
        client_(cluster_) {}

  int run() {
    cluster_.start_all();
    if (!expect(eventually([this] { return client_.init(); }), "the cluster is initialised"))
      return 1;
    if (!expect(eventually([this] { return client_.leader().has_value(); }),
                "a leader is elected")) {
      return 1;
    }
    const std::size_t registers = std::max<std::size_t>(settings_.clients / 4, 1);
    ChaosClients clients(
        {cluster_.endpoints(), settings_.clients - registers, registers, 8, settings_.seed});
    clients.start();
    for (std::size_t i = 0; i < settings_.cycles; ++i) {
      if (!(settings_.actors ? actor_cycle(clients, i) : cycle(clients, i))) return 1;
    }
    clients.stop();
    check(clients);
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

  // Every second cycle kills the leader, so that each run measures what its death costs.
  std::vector<std::size_t> victims(std::size_t number, std::optional<std::size_t> leader) {
    if (!settings_.all_at_once) {
      const std::size_t any = prng_.below(settings_.nodes);
      return {number % 2 == 0 ? leader.value_or(any) : any};
    }
    std::vector<std::size_t> all(settings_.nodes);
    std::iota(all.begin(), all.end(), std::size_t{0});
    return all;
  }

  bool cycle(ChaosClients& clients, std::size_t number) {
    std::optional<std::size_t> leads;
    const bool led_by_one = eventually([&] { return (leads = client_.leader()).has_value(); });
    if (!expect(led_by_one, "a leader is there to be killed")) return false;
    const std::vector<std::size_t> dead = victims(number, leads);
    const std::uint64_t killed_at = now_ns();
    for (const std::size_t victim : dead) cluster_.kill9(victim);
    if (settings_.all_at_once) cluster_.start_all();
    const bool resumed = eventually([&] { return clients.first_done_after(killed_at) != 0; });
    if (!expect(resumed, "writes resume")) return false;
    const std::uint64_t pause_ns = clients.first_done_after(killed_at) - killed_at;
    const bool led = leads == dead.front();
    if (led || settings_.all_at_once) leader_pauses_ms_.push_back(pause_ns / 1'000'000);
    std::this_thread::sleep_for(std::chrono::milliseconds(prng_.below(500)));
    if (!settings_.all_at_once) cluster_.start(dead[0]);
    // The next victim is chosen when this one takes part again.
    const bool back = eventually([&] {
      const auto answer = client_.status(dead[0]);
      return answer && answer->leader() != 0;
    });
    fmt::print("cycle {:2}: killed {}{}, first write after {} ms, {} writes so far\n", number + 1,
               settings_.all_at_once ? "all" : cluster_.nodes()[dead[0]].name,
               led ? " (leader)" : "", pause_ns / 1'000'000, clients.writes_done());
    std::fflush(stdout);
    return expect(back, "a restarted node finds its leader");
  }

  // Every second cycle at the leader. The kinds take turns, in the order of the tree.
  bool actor_cycle(ChaosClients& clients, std::size_t number) {
    std::optional<std::size_t> leads;
    const bool led_by_one = eventually([&] { return (leads = client_.leader()).has_value(); });
    if (!expect(led_by_one, "a leader is there")) return false;
    const std::size_t node = number % 2 == 0 ? *leads : prng_.below(settings_.nodes);
    ActorTree tree;
    const bool whole = eventually([&] { return actors_.whole_tree(node, tree); });
    if (!expect(whole, "every actor of the node runs")) return false;
    const ActorLine& victim = tree.at(1 + number / 2 % (tree.size() - 1));  // not the root
    const std::uint64_t killed_at = now_ns();
    if (!expect(actors_.fail(node, victim.id), "an actor can be killed")) return false;
    const bool healed = eventually([&] { return has_healed(node, tree); });
    const std::uint64_t healed_ms = (now_ns() - killed_at) / 1'000'000;
    const bool resumed = eventually([&] { return clients.first_done_after(killed_at) != 0; });
    if (!expect(healed, "the tree heals after the death of " + victim.name)) return false;
    if (!expect(resumed, "writes resume")) return false;
    const std::uint64_t pause_ms = (clients.first_done_after(killed_at) - killed_at) / 1'000'000;
    healings_[victim.name].push_back({healed_ms, pause_ms});
    fmt::print("cycle {:2}: killed {} of {}{}, healed after {} ms, first write after {} ms\n",
               number + 1, victim.name, cluster_.nodes()[node].name,
               node == *leads ? " (leader)" : "", healed_ms, pause_ms);
    std::fflush(stdout);
    return true;
  }

  // The same actors run again, and the node follows or leads; or the process has given up with the
  // status of supervision, and its successor does.
  bool has_healed(std::size_t node, const ActorTree& before) {
    if (const auto status = cluster_.wait_end(node, std::chrono::milliseconds(1))) {
      if (!expect(*status == 5, fmt::format("a node ended with status {}", *status))) return true;
      ++given_up_;
      cluster_.start(node);
    }
    ActorTree now;
    if (!actors_.whole_tree(node, now) || now.size() != before.size()) return false;
    if (now == before) return false;  // its failure is under way
    const auto answer = client_.status(node);
    return answer && answer->leader() != 0;
  }

  void check_healings() {
    constexpr std::uint64_t bound_ms = 3'000;
    for (auto& [name, all] : healings_) {
      std::sort(all.begin(), all.end());
      const Healing& longest = all.back();
      fmt::print("{:<11} killed {:2} times, healed after {} ms (median), {} ms at most\n", name,
                 all.size(), all[all.size() / 2].healed_ms, longest.healed_ms);
      expect(longest.healed_ms <= 5 * bound_ms, "the tree heals in time from the death of " + name);
    }
    expect(!healings_.empty(), "an actor was killed");
  }

  void check(const ChaosClients& clients) {
    StoredWrites stored;
    const bool read = eventually([&] { return read_writes(client_.channel(0), stored); });
    if (!expect(read, "the state can be read")) return;
    for (const std::string& wrong : faults_of(clients.writes(), stored)) expect(false, wrong);
    expect(eventually([this] { return client_.hashes_equal(); }), "HashKV is equal on all members");
    if (settings_.actors) {
      check_healings();
    } else {
      check_pauses();
    }
    linearizable_ = linearizability_of(clients.history());
    expect(linearizable_ == "yes", "the history is proved to be linearizable: " + linearizable_);
  }

  // 2 T + 1 s after a leader's death at T = 1 s. A single pause may be longer on a busy machine, by
  // the factor that tests allow for bounds in time; so may those of a cluster that starts anew.
  void check_pauses() {
    constexpr std::uint64_t bound_ms = 3'000;
    std::sort(leader_pauses_ms_.begin(), leader_pauses_ms_.end());
    if (!expect(!leader_pauses_ms_.empty(), "a leader's death was measured")) return;
    const std::uint64_t median_max = settings_.all_at_once ? 5 * bound_ms : bound_ms;
    expect(pause(50) <= median_max, fmt::format("writes resume within {} ms", median_max));
    expect(pause(100) <= 5 * bound_ms, "the longest pause is bounded");
  }
  [[nodiscard]] std::uint64_t pause(std::size_t percent) const {
    if (leader_pauses_ms_.empty()) return 0;
    return leader_pauses_ms_[(leader_pauses_ms_.size() - 1) * percent / 100];
  }

  void report(const ChaosClients& clients) {
    std::map<Told, std::size_t> counts;
    for (const WriteRecord& write : clients.writes()) ++counts[write.told];
    fmt::print(
        "{} cycles, {} nodes, {} clients, seed {}\n"
        "writes: {} acknowledged, {} unknown, {} refused\n",
        settings_.cycles, settings_.nodes, settings_.clients, settings_.seed, counts[Told::done],
        counts[Told::unknown], counts[Told::refused]);
    if (settings_.actors) {
      fmt::print("processes that gave up with status 5 and were started again: {}\n", given_up_);
    } else {
      fmt::print("pause after a leader's death: median {} ms, longest {} ms ({} times)\n",
                 pause(50), pause(100), leader_pauses_ms_.size());
    }
    fmt::print("history of {} operations linearizable: {}\n{}\n", clients.history().size(),
               linearizable_, failures_ == 0 ? "clean" : "FAILED");
  }

  const Settings settings_;
  Prng prng_;
  ClusterProcesses cluster_;
  ClusterClient client_;
  std::vector<std::uint64_t> leader_pauses_ms_;
  ActorClient actors_{cluster_};
  struct Healing {
    std::uint64_t healed_ms = 0;
    std::uint64_t pause_ms = 0;  // of writes, from the kill on
    friend auto operator<=>(const Healing&, const Healing&) = default;
  };
  std::map<std::string, std::vector<Healing>> healings_;  // by actor
  std::size_t given_up_ = 0;                              // ends with status 5
  std::string linearizable_ = "not checked";
  int failures_ = 0;
};

}  // namespace
}  // namespace aspen::e2e

int main(int argc, char** argv) {
  aspen::e2e::Settings settings;
  CLI::App app("Kills and restarts nodes of a real cluster under load and checks what clients saw");
  app.add_option("--node", settings.binary, "the aspen-node to run")->required();
  app.add_option("--dir", settings.directory, "data and logs; must not exist");
  app.add_option("--nodes", settings.nodes)->check(CLI::Range(1, 7));
  app.add_option("--cycles", settings.cycles);
  app.add_option("--clients", settings.clients)->check(CLI::Range(2, 256));
  app.add_option("--seed", settings.seed);
  app.add_flag("--actors", settings.actors, "end one actor in each cycle instead of a process");
  app.add_flag("--all-at-once", settings.all_at_once, "kill the whole cluster in each cycle");
  auto* members_app = app.add_subcommand(
      "members",
      "change the membership 1 -> 3 -> 5 -> 3 -> 1 instead, a random member dying every "
      "five seconds");
  members_app->add_option("--rounds", settings.rounds, "so often; a member loses its disk in each");
  app.fallthrough();
  CLI11_PARSE(app, argc, argv);
  const bool members = app.got_subcommand("members");
  if (settings.seed == 0) settings.seed = aspen::e2e::now_ns();
  const bool temporary = settings.directory.empty();
  if (temporary) {
    std::string pattern = (std::filesystem::temp_directory_path() / "aspen-chaos-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return 2;
    settings.directory = pattern;
  } else if (std::filesystem::exists(settings.directory)) {
    fmt::print(stderr, "{} exists already\n", settings.directory);
    return 2;
  }
  settings.directory = std::filesystem::absolute(settings.directory).string();
  fmt::print("seed {}, data in {}\n", settings.seed, settings.directory);
  std::fflush(stdout);
  const int status =
      members ? aspen::e2e::run_members_chaos(settings) : aspen::e2e::Chaos(settings).run();
  if (temporary && status == 0) std::filesystem::remove_all(settings.directory);
  return status;
}
