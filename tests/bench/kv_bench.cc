// What the state machine costs over RocksDB, on this machine's disk, without Raft: applied puts a
// second, point reads, counts, ranges. "cpu" is the calling thread's own time: flushes and
// compactions run beside it.
//   kv_bench [directory] [puts]
//   kv_bench [directory] [puts] soak     puts with a compaction now and then: memory and disk
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "node/adapter/rocksdb/rocksdb_state_store.h"
#include "node/base/prng.h"
#include "node/kv/command.h"
#include "node/kv/store.h"

namespace aspen::kv {
namespace {

constexpr std::size_t value_bytes = 256;
constexpr std::uint64_t keys = 100'000;
constexpr std::uint64_t memory_bytes = 200ULL * 1024 * 1024;

double seconds(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Timing {
 public:
  explicit Timing(const char* name) : name_(name) {}
  void end(std::uint64_t count) const {
    const double wall = seconds(CLOCK_MONOTONIC) - wall_;
    const double cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_;
    const auto n = static_cast<double>(count);
    std::printf("%-34s %10llu  %9.0f/s wall  %9.0f/s cpu  %8.2f us\n", name_,
                static_cast<unsigned long long>(count), n / wall, n / cpu, cpu / n * 1e6);
  }

 private:
  const char* name_;
  double wall_ = seconds(CLOCK_MONOTONIC);
  double cpu_ = seconds(CLOCK_THREAD_CPUTIME_ID);
};

double mebibytes(std::uint64_t bytes) {
  return static_cast<double>(bytes) / 1048576;
}

double rss_mebibytes() {
  std::ifstream status("/proc/self/statm");
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  status >> total_pages >> resident_pages;
  return mebibytes(resident_pages * 4096);
}

std::string key_of(std::uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "/bench/key/%012llu", static_cast<unsigned long long>(number));
  return text;
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().what);
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class Bench {
 public:
  Bench(StateStore& state, Prng prng) : store_(must(Store::open(state))), prng_(prng) {}

  void puts(const char* name, std::uint64_t count, std::size_t batch) {
    std::vector<Entry> entries;
    std::string value(value_bytes, 'v');
    std::uint64_t index = store_.applied().index.value;
    double wall = 0;
    double cpu = 0;
    for (std::uint64_t done = 0; done < count; done += batch) {
      entries.clear();
      for (std::size_t i = 0; i < batch; ++i) {
        PutRequest put;
        put.key = key_of(prng_.below(keys));
        for (char& c : value) c = static_cast<char>('a' + prng_.below(26));
        put.value = value;
        entries.push_back({{Term(1), Index(++index)},
                           EntryKind::command,
                           encode_command({{1, index}, 0}, encode_request(put))});
      }
      const double wall_before = seconds(CLOCK_MONOTONIC);
      const double cpu_before = seconds(CLOCK_THREAD_CPUTIME_ID);
      const Applied applied = must(store_.apply(entries));
      if (applied.entries != batch) std::abort();
      wall += seconds(CLOCK_MONOTONIC) - wall_before;
      cpu += seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_before;
    }
    if (name == nullptr) return;
    const auto n = static_cast<double>(count);
    std::printf("%-34s %10llu  %9.0f/s wall  %9.0f/s cpu  %8.2f us\n", name,
                static_cast<unsigned long long>(count), n / wall, n / cpu, cpu / n * 1e6);
  }

  // Compacts at the newest revision, with deletion in between the puts as the applier does it.
  void soak(const StateStore& state, std::uint64_t puts_total) {
    constexpr std::uint64_t puts_between = 250'000;
    constexpr std::uint64_t puts_per_step = 2048;
    double disk_max = 0;
    for (std::uint64_t done = 0; done < puts_total; done += puts_between) {
      for (std::uint64_t i = 0; i < puts_between / puts_per_step; ++i) {
        puts(nullptr, puts_per_step, 256);
        if (store_.clean_pending()) must(store_.clean(8192));
      }
      start_compaction();
      disk_max = std::max(disk_max, mebibytes(state.sizes().on_disk_bytes));
      std::printf("%10llu puts: rss %.0f MiB, disk %.0f MiB, at most %.0f MiB\n",
                  static_cast<unsigned long long>(store_.applied().index.value), rss_mebibytes(),
                  mebibytes(state.sizes().on_disk_bytes), disk_max);
      std::fflush(stdout);
    }
  }

  void gets(std::uint64_t count) {
    const Timing own("get, a snapshot each");
    for (std::uint64_t i = 0; i < count; ++i) read_one(must(store_.snapshot()));
    own.end(count);
    const Snapshot snapshot = must(store_.snapshot());
    const Timing shared("get, one snapshot for all");
    for (std::uint64_t i = 0; i < count; ++i) read_one(snapshot);
    shared.end(count);
  }

  void ranges() {
    const Snapshot snapshot = must(store_.snapshot());
    RangeRequest all;
    all.key = "/bench/";
    all.range_end = "/bench0";
    all.count_only = true;
    const Timing counting("count, keys");
    const auto counted = static_cast<std::uint64_t>(must(snapshot.range(all)).count);
    counting.end(counted);
    all.revision = std::max<Revision>(snapshot.compact_revision(), snapshot.revision() - 1000);
    const Timing past("count at a past revision, keys");
    past.end(static_cast<std::uint64_t>(must(snapshot.range(all)).count));
    all.count_only = false;
    all.revision = 0;
    const Timing listing("range with values, keys");
    listing.end(must(snapshot.range(all)).kvs.size());
    all.limit = 500;
    const Timing page("range, limit 500 of all, keys");
    page.end(must(snapshot.range(all)).kvs.size());
    const Timing hashing("hash, current keys");
    must(snapshot.hash_kv(0));
    hashing.end(counted);
  }

  void compact() {
    const auto superseded = static_cast<std::uint64_t>(store_.revision() - store_.cleaned());
    start_compaction();
    const Timing cleaning("physical deletion, revisions");
    while (store_.clean_pending()) must(store_.clean(4096));
    cleaning.end(superseded);
  }

 private:
  void start_compaction() {
    const std::uint64_t index = store_.applied().index.value + 1;
    const Entry entry{
        {Term(1), Index(index)},
        EntryKind::command,
        encode_command({{1, index}, 0}, encode_request(CompactRequest{store_.revision(), true}))};
    must(store_.apply(std::span(&entry, 1)));
  }
  void read_one(const Snapshot& snapshot) {
    RangeRequest get;
    get.key = key_of(prng_.below(keys));
    must(snapshot.range(get));
  }

  Store store_;
  Prng prng_;
};

void run(const std::string& directory, std::uint64_t puts, bool soak) {
  std::filesystem::remove_all(directory);
  adapter::rocksdb::RocksdbOptions options;
  options.directory = directory;
  options.memory_bytes = memory_bytes;
  const auto state = must(adapter::rocksdb::RocksdbStateStore::open(options));
  Bench bench(*state, Prng(1));
  std::printf("%llu keys, values of %zu bytes, %s\n", static_cast<unsigned long long>(keys),
              value_bytes, directory.c_str());
  if (soak) {
    bench.soak(*state, puts);
    return;
  }
  bench.puts("put, batches of 256", puts, 256);
  bench.puts("put, batches of 64", puts / 2, 64);
  bench.puts("put, batches of 1", puts / 20, 1);
  bench.gets(puts / 5);
  bench.ranges();
  bench.compact();
  std::printf("after deletion:\n");
  bench.gets(puts / 5);
  bench.ranges();
  const StateSizes sizes = state->sizes();
  std::printf("on disk %.1f MiB, in use %.1f MiB, in memory %.1f MiB\n",
              mebibytes(sizes.on_disk_bytes), mebibytes(sizes.in_use_bytes),
              mebibytes(sizes.memory_bytes));
}

}  // namespace
}  // namespace aspen::kv

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : "kv_bench.tmp";
  const std::uint64_t puts = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 512'000;
  aspen::kv::run(directory, puts, argc > 3);
  std::filesystem::remove_all(directory);
  return 0;
}
