#include "node/adapter/prometheus/process_metrics.h"

#include <prometheus/metric_family.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "node/adapter/prometheus/process_stat.h"

namespace aspen::adapter {
namespace {

// Seconds since the epoch; 0 if it cannot be read.
double boot_time_seconds() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

double open_descriptors() {
  std::error_code error;
  double count = 0;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  while (!error && entry != std::filesystem::directory_iterator()) {
    ++count;
    entry.increment(error);
  }
  return count;
}

void append(std::vector<::prometheus::MetricFamily>& families, const char* name, const char* help,
            double value) {
  const std::string_view text(name);
  const auto type = text.ends_with("_total") ? ::prometheus::MetricType::Counter
                                             : ::prometheus::MetricType::Gauge;
  auto& family = families.emplace_back(::prometheus::MetricFamily{name, help, type, {}});
  auto& metric = family.metric.emplace_back();
  metric.counter.value = value;
  metric.gauge.value = value;
}

}  // namespace

void append_process_metrics(std::vector<::prometheus::MetricFamily>& families) {
  if (const auto stat = read_process_stat("/proc/self/stat")) {
    append(families, "process_cpu_seconds_total", "User and system CPU time spent in seconds.",
           stat->cpu_seconds);
    append(families, "process_resident_memory_bytes", "Resident memory size in bytes.",
           stat->resident_bytes);
    append(families, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
           stat->virtual_bytes);
    if (const double boot = boot_time_seconds(); boot > 0) {
      append(families, "process_start_time_seconds",
             "Start time of the process since the Unix epoch in seconds.",
             boot + stat->start_after_boot_seconds);
    }
  }
  append(families, "process_open_fds", "Number of open file descriptors.", open_descriptors());
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    append(families, "process_max_fds", "Maximum number of open file descriptors.",
           static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace aspen::adapter
