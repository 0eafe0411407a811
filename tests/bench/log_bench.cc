// Prints what the segment log gives beside what the disk gives: batches of about 4 KiB, each
// appended and synced before the next one. Usage: log_bench [directory [seconds]].
#include <fmt/core.h>

#include <cstdlib>

#include "node/adapter/posix/clock.h"
#include "node/adapter/posix/file_system.h"
#include "node/adapter/segment_log/segment_log.h"
#include "tests/bench/fsync_baseline.h"

namespace aspen::bench {
namespace {

using adapter::segment_log::SegmentLog;
using adapter::segment_log::SegmentLogOptions;

struct BatchShape {
  std::size_t entries;
  std::size_t payload_bytes;
};

std::vector<Entry> batch_entries(Index first, BatchShape shape) {
  const Bytes payload(std::string(shape.payload_bytes, 'p'));
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < shape.entries; ++i) {
    entries.push_back({{Term(1), first + i}, EntryKind::command, payload});
  }
  return entries;
}

// Purges as it goes, as a node does, so that segments are recycled.
SyncFigures measure_log(SegmentLog& log, const Clock& clock, BatchShape shape, Duration each) {
  std::vector<Duration> latencies;
  const Instant start = clock.now();
  Instant before = start;
  while (before - start < each) {
    const LogBatch batch{{}, {}, batch_entries(log.last() + 1, shape)};
    const Instant begin = clock.now();
    Result<void> done = log.append(batch);
    if (done) log.sync([&](Result<void> synced) { done = synced; });
    before = clock.now();
    if (!done) {
      fmt::print(stderr, "the log failed: {}\n", done.error().what);
      std::exit(1);
    }
    latencies.push_back(before - begin);
    if (latencies.size() % 4'096 == 0) static_cast<void>(log.purge(log.last()));
  }
  return sync_figures(latencies, before - start);
}

// The same without the disk's wait: what encoding, checksums and the system call cost.
void print_append_cost(SegmentLog& log, const Clock& clock, BatchShape shape) {
  constexpr int rounds = 400;
  const Instant start = clock.now();
  for (int i = 0; i < rounds; ++i) {
    static_cast<void>(log.append({{}, {}, batch_entries(log.last() + 1, shape)}));
  }
  const Duration each = (clock.now() - start) / rounds;
  fmt::print("append without sync, {:>3} x {:>5} B     {:>7.1f} us\n", shape.entries,
             shape.payload_bytes, static_cast<double>(each.count()) / 1e3);
  log.sync([](Result<void>) {});
}

int run(const std::string& directory, Duration each) {
  adapter::posix::PosixFileSystem files;
  const adapter::posix::PosixClock clock;
  auto baseline = files.create_directory(directory).and_then(
      [&] { return measure_fsync_baseline(files, clock, directory, each); });
  if (!baseline) {
    fmt::print(stderr, "cannot measure in {}: {}\n", directory, baseline.error().what);
    return 1;
  }
  fmt::print("fsync, growing file, 4 KiB          {}\n", to_text(baseline->growing));
  fmt::print("fsync, prezeroed file, 4 KiB        {}\n", to_text(baseline->prezeroed));

  SegmentLogOptions options;
  options.directory = directory + "/log";
  options.cluster = ClusterId(1);
  options.self = {NodeId(1), {1, 1}};
  auto log = SegmentLog::open(files, options);
  if (!log) {
    fmt::print(stderr, "cannot open a log: {}\n", log.error().what);
    return 1;
  }
  for (const BatchShape shape : {BatchShape{1, 3'900}, BatchShape{14, 256}, BatchShape{256, 256}}) {
    fmt::print("log append + sync, {:>3} x {:>5} B      {}\n", shape.entries, shape.payload_bytes,
               to_text(measure_log(**log, clock, shape, each)));
  }
  for (const BatchShape shape : {BatchShape{1, 3'900}, BatchShape{14, 256}, BatchShape{256, 256}}) {
    print_append_cost(**log, clock, shape);
  }
  return 0;
}

}  // namespace
}  // namespace aspen::bench

int main(int count, char** arguments) {
  const std::string directory = count > 1 ? arguments[1] : "log_bench.data";
  const int seconds = count > 2 ? std::atoi(arguments[2]) : 3;
  return aspen::bench::run(directory, std::chrono::seconds(seconds));
}
