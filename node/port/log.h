// Log lines for people: one event, a sentence, and fields by name. The node writes them as text or
// JSON; a simulator keeps or drops them. Events, not traces: nothing on a request's path logs.
//
// Owner: the assembly; it outlives its users. Any thread may call; a line may block on stderr.
// Bound: limits::log_line_bytes_max, longer ones are cut.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "node/base/error.h"
#include "node/base/ids.h"

namespace aspen {

enum class LogLevel : std::uint8_t { debug, info, warn, error };

struct LogField {
  std::string_view name;
  std::string value;

  LogField(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
  LogField(std::string_view n, std::uint64_t v) : name(n), value(std::to_string(v)) {}
  LogField(std::string_view n, NodeId v) : name(n), value(to_hex(v.value)) {}
  LogField(std::string_view n, Term v) : name(n), value(std::to_string(v.value)) {}
  LogField(std::string_view n, Index v) : name(n), value(std::to_string(v.value)) {}
  // "code: what (detail)".
  LogField(std::string_view n, const Error& v)
      : name(n),
        value(std::string(to_string(v.code)) + ": " + v.what +
              (v.detail == 0 ? std::string() : " (" + std::to_string(v.detail) + ")")) {}
};

class LogSink {
 public:
  virtual ~LogSink() = default;
  // `component` is a module's name, such as "raft".
  virtual void write(LogLevel level, std::string_view component, std::string_view message,
                     std::initializer_list<LogField> fields) = 0;

  void info(std::string_view component, std::string_view message,
            std::initializer_list<LogField> fields = {}) {
    write(LogLevel::info, component, message, fields);
  }
  void warn(std::string_view component, std::string_view message,
            std::initializer_list<LogField> fields = {}) {
    write(LogLevel::warn, component, message, fields);
  }
  void error(std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields = {}) {
    write(LogLevel::error, component, message, fields);
  }
};

class NullLog final : public LogSink {
 public:
  void write(LogLevel, std::string_view, std::string_view,
             std::initializer_list<LogField>) override {}
};

}  // namespace aspen
