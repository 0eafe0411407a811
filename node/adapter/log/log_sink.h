// LogSink over spdlog, on stderr. Owner: the assembly. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "node/port/log.h"

namespace aspen::adapter {

enum class LineFormat : std::uint8_t { text, json };

struct LogSinkOptions {
  LineFormat format = LineFormat::text;
  LogLevel level = LogLevel::info;
  std::string node;  // the node's name, on every line
};

[[nodiscard]] std::unique_ptr<LogSink> make_log_sink(const LogSinkOptions& options);

}  // namespace aspen::adapter
