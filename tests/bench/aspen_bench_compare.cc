#include "tests/bench/aspen_bench_compare.h"

#include <fmt/core.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <thread>

#include "node/adapter/posix/clock.h"
#include "node/adapter/posix/file_system.h"
#include "tests/bench/aspen_bench_cluster.h"
#include "tests/bench/fsync_baseline.h"

namespace aspen::bench {
namespace {

struct System {
  std::string name;
  std::unique_ptr<BenchCluster> cluster;
};

struct Cell {
  std::vector<double> per_second;
  std::vector<double> cpu_us;  // of the three nodes, for one operation
  Latencies latencies;         // of all rounds
  std::uint64_t errors = 0;

  [[nodiscard]] bool failed() const { return LoadResult::too_many(errors, latencies.count()); }
};

using Row = std::pair<Operation, std::size_t>;
using Cells = std::map<Row, std::map<std::string, Cell>>;

const char* name_of(Operation operation) {
  switch (operation) {
    case Operation::put:
      return "put";
    case Operation::get:
      return "get";
    case Operation::get_serializable:
      return "get (s)";
  }
  return "";
}

double milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string spread(const std::vector<double>& values) {
  if (values.empty()) return "-";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return fmt::format("{:.0f} ({:.0f}-{:.0f})", median(values), *low, *high);
}

tl::expected<void, std::string> measure(const System& system, Load load, Target target,
                                        Cell& cell) {
  load.endpoints = system.cluster->endpoints();
  if (target == Target::leader) {
    const std::string leader = leader_of(load.endpoints);
    if (leader.empty()) return tl::unexpected(system.name + " has no leader");
    load.endpoints = {leader};
  }
  const double cpu_before = system.cluster->cpu_seconds();
  const auto result = run_load(load);
  if (!result) return tl::unexpected(system.name + ": " + result.error());
  const double cpu = system.cluster->cpu_seconds() - cpu_before;
  const double whole = std::chrono::duration<double>(load.duration + load.warmup).count();
  cell.per_second.push_back(result->per_second());
  cell.cpu_us.push_back(cpu / (result->per_second() * whole) * 1e6);
  cell.latencies.merge(result->latencies);
  cell.errors += result->error_count();
  fmt::print(stderr, "{:>8} {:>4} {:>6}: {:>8.0f}/s  p50 {:.2f} ms  p99 {:.2f} ms  errors {}\n",
             name_of(load.operation), load.clients, system.name, result->per_second(),
             milliseconds(result->latencies.quantile(0.5)),
             milliseconds(result->latencies.quantile(0.99)), result->error_count());
  for (const auto& [text, count] : result->errors) fmt::print(stderr, "    {} x {}\n", count, text);
  return {};
}

void print_table(const Cells& cells, const std::vector<System>& systems) {
  fmt::print("{:<8} {:>7}", "op", "clients");
  for (const System& system : systems) {
    fmt::print(" | {:>24} {:>8} {:>8} {:>7} {:>6}", system.name + " ops/s (range)", "p50 ms",
               "p99 ms", "cpu us", "errors");
  }
  fmt::print("{}\n", systems.size() > 1 ? " | ratio" : "");
  for (const auto& [row, by_system] : cells) {
    fmt::print("{:<8} {:>7}", name_of(row.first), row.second);
    for (const System& system : systems) {
      const Cell& cell = by_system.at(system.name);
      fmt::print(" | {:>24} {:>8.2f} {:>8.2f} {:>7.1f} {:>6}", spread(cell.per_second),
                 milliseconds(cell.latencies.quantile(0.5)),
                 milliseconds(cell.latencies.quantile(0.99)), median(cell.cpu_us), cell.errors);
    }
    if (systems.size() > 1) {
      const Cell& ours = by_system.at(systems[0].name);
      const Cell& theirs = by_system.at(systems[1].name);
      const bool comparable = !ours.failed() && !theirs.failed();
      const double ratio = median(ours.per_second) / median(theirs.per_second);
      fmt::print(" | {:>5}", comparable ? fmt::format("{:.2f}", ratio) : "-");
    }
    fmt::print("\n");
  }
}

tl::expected<void, std::string> judge(const Cells& cells) {
  for (const auto& [row, by_system] : cells) {
    for (const auto& [name, cell] : by_system) {
      if (!cell.failed()) continue;
      return tl::unexpected(fmt::format("{}: more than 1 % of {} with {} clients failed", name,
                                        name_of(row.first), row.second));
    }
  }
  return {};
}

void print_baseline(const std::string& directory, const char* when) {
  adapter::posix::PosixFileSystem files;
  adapter::posix::PosixClock clock;
  const auto baseline = measure_fsync_baseline(files, clock, directory, std::chrono::seconds(1));
  if (!baseline) {
    fmt::print("disk {}: not measured: {}\n", when, baseline.error().what);
    return;
  }
  fmt::print("disk {}, 4 KiB write and fdatasync: growing file {}; prezeroed file {}\n", when,
             to_text(baseline->growing), to_text(baseline->prezeroed));
}

tl::expected<void, std::string> measure_all(const Comparison& comparison,
                                            const std::vector<System>& systems, Cells& cells) {
  for (const Operation operation : comparison.operations) {
    for (const std::size_t clients : comparison.clients) {
      Load load = comparison.load;
      load.operation = operation;
      load.clients = clients;
      load.connections = std::min(load.connections, clients);
      for (std::size_t round = 0; round < comparison.rounds; ++round) {
        load.seed = round + 1;
        for (std::size_t i = 0; i < systems.size(); ++i) {
          // The one that goes first changes with the round.
          const System& system = systems[(i + round) % systems.size()];
          const auto done =
              measure(system, load, comparison.target, cells[{operation, clients}][system.name]);
          if (!done) return done;
        }
      }
    }
  }
  return {};
}

tl::expected<std::vector<System>, std::string> start_all(const Comparison& comparison,
                                                         const std::string& directory) {
  std::vector<System> systems;
  auto aspen = BenchCluster::start(Kind::aspen, comparison.aspen_binary, directory + "/aspen");
  if (!aspen) return tl::unexpected(aspen.error());
  systems.push_back({"aspen", std::move(*aspen)});
  if (!comparison.etcd_binary.empty()) {
    auto etcd = BenchCluster::start(Kind::etcd, comparison.etcd_binary, directory + "/etcd");
    if (!etcd) return tl::unexpected(etcd.error());
    systems.push_back({"etcd", std::move(*etcd)});
  }
  for (const System& system : systems) {
    Load load = comparison.load;
    load.endpoints = {leader_of(system.cluster->endpoints())};
    const auto filled = fill(load);
    if (!filled) return tl::unexpected(system.name + ": " + filled.error());
  }
  return systems;
}

}  // namespace

tl::expected<void, std::string> compare(const Comparison& comparison) {
  std::filesystem::create_directories(comparison.directory);
  std::string directory = comparison.directory + "/aspen-bench.XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) {
    return tl::unexpected("cannot make a folder in " + comparison.directory);
  }
  print_baseline(directory, "before");
  Cells cells;
  tl::expected<void, std::string> done;
  {
    const auto systems = start_all(comparison, directory);
    done = systems ? measure_all(comparison, *systems, cells)
                   : tl::unexpected<std::string>(systems.error());
    if (systems && done) {
      fmt::print(
          "three nodes each, {} connections, {} B values, {} keys, {} rounds of {:.0f} s, {}\n",
          comparison.load.connections, comparison.load.value_bytes, comparison.load.keys,
          comparison.rounds, std::chrono::duration<double>(comparison.load.duration).count(),
          comparison.target == Target::leader ? "to the leader" : "to all nodes");
      print_table(cells, *systems);
      done = judge(cells);
      for (const System& system : *systems) {
        fmt::print("{}: largest resident memory of a node {:.0f} MiB\n", system.name,
                   system.cluster->resident_bytes_max() / (1024.0 * 1024.0));
      }
    }
  }
  print_baseline(directory, "after");
  // After a failure the logs are what one wants to see.
  if (done) std::filesystem::remove_all(directory);
  return done;
}

}  // namespace aspen::bench
