#include "tests/bench/fsync_baseline.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace aspen::bench {
namespace {

constexpr std::uint64_t block_bytes = 4096;
constexpr std::uint64_t file_bytes = 64 * 1024 * 1024;

double microseconds(Duration d) {
  return static_cast<double>(d.count()) / 1e3;
}

// Ends early when the file is full.
Result<SyncFigures> measure(File& file, const Clock& clock, Duration each) {
  const std::string block(block_bytes, 'x');
  const std::string_view part = block;
  std::vector<Duration> latencies;
  const Instant start = clock.now();
  Instant before = start;
  for (std::uint64_t at = 0; before - start < each && at < file_bytes; at += block_bytes) {
    if (auto written = file.write(at, std::span(&part, 1)); !written) {
      return tl::unexpected(written.error());
    }
    if (auto synced = file.sync(); !synced) return tl::unexpected(synced.error());
    const Instant after = clock.now();
    latencies.push_back(after - before);
    before = after;
  }
  return sync_figures(latencies, before - start);
}

}  // namespace

SyncFigures sync_figures(std::vector<Duration>& latencies, Duration elapsed) {
  SyncFigures figures;
  figures.count = latencies.size();
  if (latencies.empty()) return figures;
  std::ranges::sort(latencies);
  figures.per_second =
      static_cast<double>(latencies.size()) * 1e9 / static_cast<double>(elapsed.count());
  figures.p50 = latencies[latencies.size() / 2];
  figures.p99 = latencies[latencies.size() * 99 / 100];
  return figures;
}

std::string to_text(const SyncFigures& figures) {
  return fmt::format("{:>9.0f}/s  p50 {:>7.0f} us  p99 {:>7.0f} us  ({})", figures.per_second,
                     microseconds(figures.p50), microseconds(figures.p99), figures.count);
}

Result<FsyncBaseline> measure_fsync_baseline(FileSystem& files, const Clock& clock,
                                             const std::string& directory, Duration each) {
  FsyncBaseline baseline;
  for (SyncFigures* figures : {&baseline.growing, &baseline.prezeroed}) {
    const std::string path = directory + "/fsync-baseline";
    auto file = files.open(path, OpenMode::create_new);
    if (!file) return tl::unexpected(file.error());
    Result<void> ready;
    if (figures == &baseline.prezeroed) ready = (*file)->allocate_zeroed(file_bytes);
    if (ready) ready = (*file)->sync();
    auto measured = ready ? measure(**file, clock, each) : tl::unexpected(ready.error());
    if (auto removed = files.remove(path); !removed) return tl::unexpected(removed.error());
    if (!measured) return tl::unexpected(measured.error());
    *figures = *measured;
  }
  return baseline;
}

}  // namespace aspen::bench
