#include "node/adapter/grpc/grpc_log.h"

#include <grpc/support/log.h>

#include <utility>

#include "node/base/limits.h"

namespace aspen::adapter {

namespace {

constexpr auto repeat_after = std::chrono::seconds(10);

struct Current {
  std::mutex mutex;
  GrpcLog* log = nullptr;
};

Current& current() {
  static Current one;
  return one;
}

void on_grpc_log(gpr_log_func_args* line) {
  if (line->severity != GPR_LOG_SEVERITY_ERROR) return;
  const std::lock_guard lock(current().mutex);
  if (current().log != nullptr) current().log->write(line->message);
}

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

std::string explain_grpc_error(std::string_view message) {
  // Who connects by an address and not by a name always gives rise to this.
  if (holds(message, "No match found for server name")) return {};
  if (!holds(message, "Handshake failed")) return "gRPC: " + std::string(message);
  const std::string ours = "a client was refused: ";
  if (holds(message, "certificate verify failed")) {
    return ours +
           "its certificate has expired, or no CA of --client-tls-ca issued it: give it a new one";
  }
  if (holds(message, "peer did not return a certificate")) {
    return ours + "it shows no certificate, and --client-tls-ca asks for one";
  }
  if (holds(message, "wrong version number") || holds(message, "http request") ||
      holds(message, "unsupported protocol") || holds(message, "unknown protocol")) {
    return ours + "it does not speak TLS 1.2 or newer: it must use https://";
  }
  if (holds(message, "alert")) {
    return "a client refuses the certificate of --client-tls-cert: its CA may be another one, or "
           "the certificate does not name this host";
  }
  return "the TLS handshake with a client failed";
}

GrpcLog::GrpcLog(LogSink& log) : log_(log) {
  const std::lock_guard lock(current().mutex);
  current().log = this;
  ::gpr_set_log_function(&on_grpc_log);
}

GrpcLog::~GrpcLog() {
  const std::lock_guard lock(current().mutex);
  if (current().log != this) return;
  current().log = nullptr;
  ::gpr_set_log_function(nullptr);
}

void GrpcLog::write(std::string_view message) {
  std::string text = explain_grpc_error(message);
  if (text.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    const Clock::time_point now = Clock::now();
    if (text == last_ && now - last_at_ < repeat_after) return;
    if (now - minute_ > std::chrono::minutes(1)) {
      minute_ = now;
      lines_ = 0;
    }
    if (++lines_ > limits::grpc_log_lines_per_minute_max) return;
    last_ = text;
    last_at_ = now;
  }
  log_.warn("grpc", text, {{"detail", std::string(message)}});
}

}  // namespace aspen::adapter
