#include "node/adapter/log/log_sink.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "node/adapter/log/line.h"
#include "node/base/assert.h"

namespace aspen::adapter {

namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  ASPEN_UNREACHABLE();
}

class SpdlogSink final : public LogSink {
 public:
  explicit SpdlogSink(const LogSinkOptions& options)
      : options_(options), logger_("aspen", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_level(to_spdlog(options.level));
    logger_.flush_on(spdlog::level::warn);
    const bool json = options.format == LineFormat::json;
    logger_.set_pattern(json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})"
                             : "%Y-%m-%d %H:%M:%S.%e %L %v");
  }

  void write(LogLevel level, std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields) override {
    const spdlog::level::level_enum to = to_spdlog(level);
    if (!logger_.should_log(to)) return;
    const Line line{options_.node, component, message, fields};
    std::string text = options_.format == LineFormat::json ? json_members(line) : text_line(line);
    // A view: the text must not be read as a format.
    logger_.log(to, spdlog::string_view_t(text.data(), text.size()));
  }

 private:
  LogSinkOptions options_;
  spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<LogSink> make_log_sink(const LogSinkOptions& options) {
  return std::make_unique<SpdlogSink>(options);
}

}  // namespace aspen::adapter
