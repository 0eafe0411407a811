#include "node/adapter/http/http_server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::adapter {

struct HttpServer::State {
  PageSources sources;
  mg_context* context = nullptr;
  std::vector<std::uint16_t> ports;
};

namespace {

constexpr std::size_t listen_max = 16;

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

// civetweb's hook for every request; a return of 1 means that it is answered.
int on_request(mg_connection* connection) {
  const mg_request_info* info = mg_get_request_info(connection);
  const auto* sources = static_cast<const PageSources*>(info->user_data);
  ASPEN_ASSERT(sources != nullptr);
  std::string_view query(info->query_string != nullptr ? info->query_string : "");
  query = query.substr(0, limits::http_query_bytes_max);
  const std::string_view path(info->local_uri != nullptr ? info->local_uri : "");
  const HttpResponse response = page({info->request_method, path, query}, *sources);
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            response.status, reason_phrase(response.status), response.content_type.c_str(),
            response.body.size());
  if (std::string_view(info->request_method) != "HEAD") {
    mg_write(connection, response.body.data(), response.body.size());
  }
  return 1;
}

// Our errors say what is wrong; the library's lines would go to stderr unformatted.
int on_message(const mg_connection*, const char*) {
  return 1;
}

// civetweb listens on both families for "+port" only.
std::string listen_option(const std::string& address) {
  for (const std::string_view any : {"[::]:", ":"}) {
    if (address.starts_with(any)) return "+" + address.substr(any.size());
  }
  return address;
}

std::vector<std::uint16_t> ports_of(const mg_context* context) {
  std::array<mg_server_port, listen_max> found{};
  const int count = mg_get_server_ports(context, static_cast<int>(found.size()), found.data());
  std::vector<std::uint16_t> ports;
  ports.reserve(found.size());
  for (int i = 0; i < count; ++i) {
    ports.push_back(static_cast<std::uint16_t>(found[static_cast<std::size_t>(i)].port));
  }
  return ports;
}

// Makes the server's poll return. Which address it listens on does not matter much: if this one is
// not among them, the stop only takes the library's two seconds.
void knock(std::uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  sockaddr_in address4{};
  address4.sin_family = AF_INET;
  address4.sin_port = htons(port);
  address4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd6 = ::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int fd4 = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  static_cast<void>(::connect(fd6, reinterpret_cast<sockaddr*>(&address), sizeof address));
  static_cast<void>(::connect(fd4, reinterpret_cast<sockaddr*>(&address4), sizeof address4));
  if (fd6 >= 0) ::close(fd6);
  if (fd4 >= 0) ::close(fd4);
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::vector<std::string>& listen,
                                                      PageSources sources) {
  if (listen.empty() || listen.size() > listen_max) {
    return fail(Code::invalid_argument, "an HTTP listen address is needed, as host:port");
  }
  std::string listening;
  for (const std::string& address : listen) {
    listening.append(listening.empty() ? "" : ",").append(listen_option(address));
  }
  const std::string threads = std::to_string(limits::http_threads);
  const std::string queue = std::to_string(limits::http_queue_max);
  const std::string request_ms = std::to_string(limits::http_request_ms_max);
  const std::array<const char*, 15> options{"listening_ports",
                                            listening.c_str(),
                                            "num_threads",
                                            threads.c_str(),
                                            "connection_queue",
                                            queue.c_str(),
                                            "enable_directory_listing",
                                            "no",
                                            "enable_keep_alive",
                                            "no",
                                            "request_timeout_ms",
                                            request_ms.c_str(),
                                            "decode_url",
                                            "no",
                                            nullptr};
  auto state = std::make_unique<State>();
  state->sources = std::move(sources);
  mg_callbacks callbacks{};
  callbacks.begin_request = on_request;
  callbacks.log_message = on_message;
  mg_init_library(MG_FEATURES_DEFAULT);
  // civetweb takes options without const and only reads them.
  state->context = mg_start(&callbacks, &state->sources, const_cast<const char**>(options.data()));
  if (state->context == nullptr) {
    mg_exit_library();
    return fail(Code::unavailable,
                "cannot listen on the HTTP address: malformed, in use, or not of this machine");
  }
  state->ports = ports_of(state->context);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {
  ASPEN_ASSERT(state_->context != nullptr);
}

// civetweb looks at its stop flag when its poll returns, every two seconds: a connection wakes it.
HttpServer::~HttpServer() {
  std::atomic<bool> stopped{false};
  std::thread stopper([this, &stopped] {
    mg_stop(state_->context);
    stopped = true;
  });
  while (!stopped) {
    for (const std::uint16_t port : state_->ports) knock(port);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  stopper.join();
  mg_exit_library();
}

const std::vector<std::uint16_t>& HttpServer::listening_ports() const {
  return state_->ports;
}

}  // namespace aspen::adapter
