#include "node/adapter/http/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

#include "node/base/limits.h"

namespace aspen::adapter {
namespace {

PageSources test_sources() {
  return {[] { return std::string(100'000, '#') + "\n"; },
          [] {
            return Health{true, true, ""};
          },
          "1.2.3"};
}

// A connection over IPv4; -1 if there is none.
int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

// What a server sends to one request.
std::string answer_to(std::uint16_t port, std::string_view request) {
  const int fd = connect_to(port);
  std::string answer;
  if (fd >= 0) {
    EXPECT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    char part[4096];
    for (ssize_t n = ::recv(fd, part, sizeof part, 0); n > 0;
         n = ::recv(fd, part, sizeof part, 0)) {
      answer.append(part, static_cast<std::size_t>(n));
    }
    ::close(fd);
  }
  return answer;
}

std::string get(std::uint16_t port, const std::string& path) {
  return answer_to(port, "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

TEST(HttpServer, CarriesAPage) {
  auto server = HttpServer::start({"127.0.0.1:0"}, test_sources());
  ASSERT_TRUE(server) << server.error().what;
  const std::uint16_t port = (*server)->listening_ports().at(0);
  const std::string ready = get(port, "/readyz?verbose");
  EXPECT_TRUE(ready.starts_with("HTTP/1.1 200 OK\r\n")) << ready;
  EXPECT_TRUE(ready.ends_with("\r\n\r\n[+]live ok\n[+]ready ok\nok\n")) << ready;
  EXPECT_GT(get(port, "/metrics").size(), 100'000U);
  EXPECT_TRUE(get(port, "/../../etc/passwd").find("root:") == std::string::npos);
  EXPECT_TRUE(get(port, "/nothing").starts_with("HTTP/1.1 404 Not Found\r\n"));
  const std::string head = answer_to(port, "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
}

TEST(HttpServer, ListensOnBothFamilies) {
  for (const char* any : {"[::]:0", ":0"}) {
    auto server = HttpServer::start({any}, test_sources());
    ASSERT_TRUE(server) << server.error().what;
    EXPECT_NE(get((*server)->listening_ports().at(0), "/livez"), "");
  }
}

TEST(HttpServer, APortInUseIsAnError) {
  auto first = HttpServer::start({"127.0.0.1:0"}, test_sources());
  ASSERT_TRUE(first);
  const auto second = HttpServer::start(
      {"127.0.0.1:" + std::to_string((*first)->listening_ports().at(0))}, test_sources());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_FALSE(HttpServer::start({"nonsense"}, test_sources()));
  EXPECT_FALSE(HttpServer::start({}, test_sources()));
}

// How long /livez takes beside `idle` connections that send nothing.
std::chrono::milliseconds probe_beside(std::size_t idle) {
  auto server = HttpServer::start({"127.0.0.1:0"}, test_sources());
  EXPECT_TRUE(server);
  const std::uint16_t port = (*server)->listening_ports().at(0);
  std::vector<int> connections;
  for (std::size_t i = 0; i < idle; ++i) connections.push_back(connect_to(port));
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(get(port, "/livez").starts_with("HTTP/1.1 200 OK\r\n"));
  const auto took = std::chrono::steady_clock::now() - before;
  for (const int fd : connections) {
    EXPECT_GE(fd, 0);
    ::close(fd);
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(took);
}

// Goal: a probe, which waits a second as a rule, does not fail for others' idle connections: some
// do not delay it, and those that occupy every thread are given up in time.
TEST(HttpServer, IdleConnectionsDoNotStarveAProbe) {
  const std::chrono::milliseconds given_up(limits::http_request_ms_max);
  EXPECT_LT(probe_beside(limits::http_threads / 2), given_up / 2);
  EXPECT_LT(probe_beside(limits::http_threads), 2 * given_up);
}

// civetweb alone would take two seconds.
TEST(HttpServer, StopsWithoutDelay) {
  auto server = HttpServer::start({"127.0.0.1:0"}, test_sources());
  ASSERT_TRUE(server);
  EXPECT_NE(get((*server)->listening_ports().at(0), "/livez"), "");
  const auto before = std::chrono::steady_clock::now();
  server->reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(1500));
}

}  // namespace
}  // namespace aspen::adapter
