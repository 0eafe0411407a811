// The plain HTTP port, for Prometheus and health probes: no TLS, no files, nothing that changes
// anything.
//
// Owner: the assembly. Thread: start and stop on one thread; pages are made on
// limits::http_threads threads of its own. Bounds: limits::http_queue_max connections waiting, a
// query of limits::http_query_bytes_max bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "node/adapter/http/pages.h"
#include "node/base/error.h"

namespace aspen::adapter {

class HttpServer {
 public:
  // `listen`: host:port; "[::]:2381" and ":2381" listen on IPv4 and IPv6, port 0 on any free one.
  // Possible errors: invalid_argument (no address), unavailable (an address is malformed, in use or
  // not of this machine).
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(
      const std::vector<std::string>& listen, PageSources sources);
  // Blocks until requests in progress are answered, a few milliseconds as a rule.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] const std::vector<std::uint16_t>& listening_ports() const;

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace aspen::adapter
