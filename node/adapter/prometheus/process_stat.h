// What Linux says about a process in /proc/PID/stat.
//
// Thread: a pure function of the file.
#pragma once

#include <optional>
#include <string>

namespace aspen::adapter {

struct ProcessStat {
  double cpu_seconds = 0;
  double start_after_boot_seconds = 0;
  double virtual_bytes = 0;
  double resident_bytes = 0;
};

// Nothing if the process is gone or the file is no such.
[[nodiscard]] std::optional<ProcessStat> read_process_stat(const std::string& file);

}  // namespace aspen::adapter
