// Brings what gRPC logs as an error into the node's log, and says in words for people why a
// client's TLS handshake failed: gRPC tells it nobody else. gRPC has one place for this in a
// process: of several the newest has it.
//
// Owner: a GrpcServer. Any thread. Bound: limits::grpc_log_lines_per_minute_max lines a minute, the
// same one once in ten seconds.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

#include "node/port/log.h"

namespace aspen::adapter {

// The reason in what gRPC logged, with what to do; empty if it is not worth a line.
[[nodiscard]] std::string explain_grpc_error(std::string_view message);

class GrpcLog {
 public:
  // The log outlives it.
  explicit GrpcLog(LogSink& log);
  ~GrpcLog();
  GrpcLog(const GrpcLog&) = delete;
  GrpcLog& operator=(const GrpcLog&) = delete;

  // What gRPC says.
  void write(std::string_view message);

 private:
  using Clock = std::chrono::steady_clock;

  LogSink& log_;
  std::mutex mutex_;  // guards the rest
  std::string last_;
  Clock::time_point last_at_;
  Clock::time_point minute_;
  std::size_t lines_ = 0;  // in that minute
};

}  // namespace aspen::adapter
