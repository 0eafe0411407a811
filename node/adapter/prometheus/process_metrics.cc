#include "node/adapter/prometheus/process_metrics.h"

#include <prometheus/metric_family.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace aspen::adapter {
namespace {

struct ProcessStat {
  double cpu_seconds = 0;
  double start_after_boot_seconds = 0;
  double virtual_bytes = 0;
  double resident_bytes = 0;
};

// The fields of /proc/self/stat that follow the command's name, which ends with the last bracket
// and may itself contain spaces; proc(5) numbers them from 3.
bool read_stat(ProcessStat& stat) {
  std::ifstream file("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return false;
  std::istringstream rest(text.substr(name_end + 1));
  const std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
  constexpr std::size_t utime = 14 - 3;
  constexpr std::size_t stime = 15 - 3;
  constexpr std::size_t starttime = 22 - 3;
  constexpr std::size_t vsize = 23 - 3;
  constexpr std::size_t rss = 24 - 3;
  if (fields.size() <= rss) return false;
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto number = [&fields](std::size_t i) {
    return static_cast<double>(std::strtoull(fields[i].c_str(), nullptr, 10));
  };
  stat.cpu_seconds = (number(utime) + number(stime)) / ticks;
  stat.start_after_boot_seconds = number(starttime) / ticks;
  stat.virtual_bytes = number(vsize);
  stat.resident_bytes = number(rss) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  return true;
}

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
  ProcessStat stat;
  if (read_stat(stat)) {
    append(families, "process_cpu_seconds_total", "User and system CPU time spent in seconds.",
           stat.cpu_seconds);
    append(families, "process_resident_memory_bytes", "Resident memory size in bytes.",
           stat.resident_bytes);
    append(families, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
           stat.virtual_bytes);
    if (const double boot = boot_time_seconds(); boot > 0) {
      append(families, "process_start_time_seconds",
             "Start time of the process since the Unix epoch in seconds.",
             boot + stat.start_after_boot_seconds);
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
