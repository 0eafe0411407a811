// A closed-loop load on anything that speaks etcd's KV: a number of clients, each with one request
// outstanding, over several connections.
//
// Thread: run_load blocks; requests run on gRPC's threads. Bound: `clients` requests outstanding.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "node/base/time.h"
#include "tests/bench/aspen_bench_latency.h"

namespace aspen::bench {

enum class Operation { put, get, get_serializable };

struct Load {
  std::vector<std::string> endpoints;  // host:port
  Operation operation = Operation::put;
  std::size_t clients = 64;
  std::size_t connections = 8;  // in all; at least one for each endpoint that is used
  Duration duration = std::chrono::seconds(5);
  Duration warmup = std::chrono::seconds(1);  // before `duration`, not counted
  std::uint64_t operations = 0;               // not 0: end after so many, whatever the duration
  std::uint64_t compact_every = 0;            // not 0: compact after every so many puts
  std::size_t value_bytes = 256;
  std::uint64_t keys = 100'000;
  std::uint64_t seed = 1;
};

struct LoadResult {
  Latencies latencies;  // of what succeeded
  Duration elapsed{};
  std::map<std::string, std::uint64_t> errors;  // by status code and text

  [[nodiscard]] double per_second() const {
    const double seconds = std::chrono::duration<double>(elapsed).count();
    return seconds > 0 ? static_cast<double>(latencies.count()) / seconds : 0;
  }
  [[nodiscard]] std::uint64_t error_count() const {
    std::uint64_t count = 0;
    for (const auto& [text, number] : errors) count += number;
    return count;
  }
  [[nodiscard]] bool failed() const { return too_many(error_count(), latencies.count()); }

  // Refusals are fast: a load of which more than one in a hundred fails measures something else.
  [[nodiscard]] static bool too_many(std::uint64_t errors, std::uint64_t succeeded) {
    return errors * 100 > errors + succeeded;
  }
};

// Fails with a text for people if an endpoint does not answer.
[[nodiscard]] tl::expected<LoadResult, std::string> run_load(const Load& load);

// Writes all of the keys, in transactions.
[[nodiscard]] tl::expected<void, std::string> fill(const Load& load);

// The endpoint among them that leads, asked through etcd's Status; "" if none says so.
[[nodiscard]] std::string leader_of(const std::vector<std::string>& endpoints);

}  // namespace aspen::bench
