#include "node/adapter/prometheus/process_stat.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <vector>

namespace aspen::adapter {

// The fields that follow the command's name, which ends with the last bracket and may itself
// contain spaces; proc(5) numbers them from 3.
std::optional<ProcessStat> read_process_stat(const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(name_end + 1));
  const std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
  constexpr std::size_t utime = 14 - 3;
  constexpr std::size_t stime = 15 - 3;
  constexpr std::size_t starttime = 22 - 3;
  constexpr std::size_t vsize = 23 - 3;
  constexpr std::size_t rss = 24 - 3;
  if (fields.size() <= rss) return std::nullopt;
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto number = [&fields](std::size_t i) {
    return static_cast<double>(std::strtoull(fields[i].c_str(), nullptr, 10));
  };
  ProcessStat stat;
  stat.cpu_seconds = (number(utime) + number(stime)) / ticks;
  stat.start_after_boot_seconds = number(starttime) / ticks;
  stat.virtual_bytes = number(vsize);
  stat.resident_bytes = number(rss) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  return stat;
}

}  // namespace aspen::adapter
