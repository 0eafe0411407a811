// aspen-bench: a load generator that speaks etcd's API, and the comparison with etcd.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "node/client/client.h"
#include "node/version.h"
#include "tests/bench/aspen_bench_compare.h"
#include "tests/bench/aspen_bench_load.h"

namespace {

using aspen::Duration;
namespace bench = aspen::bench;

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

struct Arguments {
  bench::Load load;
  bench::Comparison comparison;
  std::string endpoints;
  std::string operation = "put";
  std::string target = "leader";
  double seconds = 5;
  double warmup_seconds = 1;
};

Duration duration_of(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

bench::Operation operation_of(const std::string& name) {
  if (name == "put") return bench::Operation::put;
  return name == "get" ? bench::Operation::get : bench::Operation::get_serializable;
}

double milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

void add_load_flags(CLI::App& app, Arguments& arguments) {
  bench::Load& load = arguments.load;
  app.add_option("--seconds", arguments.seconds, "how long to count")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--warmup", arguments.warmup_seconds, "seconds before that")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--value-bytes", load.value_bytes, "size of a value")->capture_default_str();
  app.add_option("--keys", load.keys, "number of keys")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--connections", load.connections, "number of connections")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--target", arguments.target, "which nodes are asked: leader or all")
      ->check(CLI::IsMember({"leader", "all"}))
      ->capture_default_str();
}

int run_load(Arguments& arguments) {
  bench::Load& load = arguments.load;
  load.endpoints = aspen::client::split_endpoints(arguments.endpoints);
  load.operation = operation_of(arguments.operation);
  if (arguments.target == "leader") {
    const std::string leader = bench::leader_of(load.endpoints);
    if (!leader.empty()) load.endpoints = {leader};
  }
  const auto result = bench::run_load(load);
  if (!result) {
    std::fprintf(stderr, "aspen-bench: %s\n", result.error().c_str());
    return exit_failed;
  }
  const auto& latencies = result->latencies;
  std::printf(
      "ops %llu  ops/s %.0f  p50 %.3f ms  p99 %.3f ms  p99.9 %.3f ms  max %.3f ms  errors %llu\n",
      static_cast<unsigned long long>(latencies.count()), result->per_second(),
      milliseconds(latencies.quantile(0.5)), milliseconds(latencies.quantile(0.99)),
      milliseconds(latencies.quantile(0.999)), milliseconds(latencies.max()),
      static_cast<unsigned long long>(result->error_count()));
  for (const auto& [text, count] : result->errors) {
    std::printf("  %llu x %s\n", static_cast<unsigned long long>(count), text.c_str());
  }
  if (!result->failed()) return 0;
  std::fprintf(stderr, "aspen-bench: more than 1 %% of the requests failed\n");
  return exit_failed;
}

int run_compare(Arguments& arguments) {
  arguments.comparison.load = arguments.load;
  arguments.comparison.target =
      arguments.target == "leader" ? bench::Target::leader : bench::Target::all;
  const auto done = bench::compare(arguments.comparison);
  if (done) return 0;
  std::fprintf(stderr, "aspen-bench: %s\n", done.error().c_str());
  return exit_failed;
}

std::string default_etcd() {
  const char* set = std::getenv("ASPEN_ETCD");
  return set != nullptr ? set : "etcd";
}

std::string default_aspen() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / "aspen-node").string();
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  bench::Comparison& comparison = arguments.comparison;
  comparison.aspen_binary = default_aspen();
  comparison.etcd_binary = default_etcd();
  CLI::App app("Load generator for anything that speaks etcd's API", "aspen-bench");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("aspen-bench ") + aspen::version);

  auto* load = app.add_subcommand("load", "drive a running cluster");
  load->add_option("--endpoints", arguments.endpoints, "host:port separated by commas")
      ->envname("ASPEN_ENDPOINTS")
      ->required();
  load->add_option("--op", arguments.operation, "put, get or get-serializable")
      ->check(CLI::IsMember({"put", "get", "get-serializable"}))
      ->capture_default_str();
  load->add_option("--clients", arguments.load.clients, "requests outstanding")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  load->add_option("--operations", arguments.load.operations, "end after so many instead");
  load->add_option("--compact-every", arguments.load.compact_every,
                   "compact after every so many puts");
  add_load_flags(*load, arguments);

  auto* compare = app.add_subcommand("compare", "Aspen and etcd side by side, three nodes each");
  compare->add_option("--dir", comparison.directory, "where the data goes: a folder on the disk")
      ->required();
  compare->add_option("--aspen", comparison.aspen_binary,
                      "default: aspen-node beside this program");
  compare->add_option("--etcd", comparison.etcd_binary,
                      "default: $ASPEN_ETCD, or etcd on PATH; empty: Aspen alone");
  compare->add_option("--clients", comparison.clients, "requests outstanding, several values")
      ->capture_default_str();
  compare->add_option("--rounds", comparison.rounds, "how often each is driven")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  std::vector<std::string> operations{"put", "get"};
  compare->add_option("--ops", operations, "put, get, get-serializable")
      ->check(CLI::IsMember({"put", "get", "get-serializable"}))
      ->capture_default_str();
  add_load_flags(*compare, arguments);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  }
  arguments.load.duration = duration_of(arguments.seconds);
  arguments.load.warmup = duration_of(arguments.warmup_seconds);
  comparison.operations.clear();
  for (const auto& name : operations) comparison.operations.push_back(operation_of(name));
  return load->parsed() ? run_load(arguments) : run_compare(arguments);
}
