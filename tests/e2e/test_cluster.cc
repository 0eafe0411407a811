#include "tests/e2e/test_cluster.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "node/base/assert.h"

namespace aspen::e2e {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

std::string program(const std::string& name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

TestCluster::TestCluster(const std::string& election_timeout)
    : processes_({program("aspen-node"),
                  folder_.path() + "/nodes",
                  node_count,
                  {"--segment-bytes=16MiB", "--election-timeout=" + election_timeout}}),
      client_(processes_) {
  for (std::size_t i = 0; i < node_count; ++i) {
    stubs_.push_back(etcdserverpb::KV::NewStub(client_.channel(i)));
  }
}

void TestCluster::start() {
  processes_.start_all();
  ASSERT_TRUE(eventually([this] { return init(); })) << log(0);
  ASSERT_TRUE(eventually([this] { return all_ready(); })) << log(0);
}

bool TestCluster::all_ready() {
  for (std::size_t i = 0; i < node_count; ++i) {
    if (node(i).pid != 0 && http(i, "/readyz").status != 200) return false;
  }
  return true;
}

std::string TestCluster::log(std::size_t index) const {
  return read_text(processes_.log_file(index));
}

bool TestCluster::logged(std::size_t index, const std::string& text) const {
  return log(index).find(text) != std::string::npos;
}

std::size_t TestCluster::await_leader() {
  std::optional<std::size_t> found;
  EXPECT_TRUE(eventually([&] {
    found = leader();
    return found.has_value();
  }));
  return found.value_or(0);
}

grpc::Status TestCluster::put(std::size_t index, const std::string& key, const std::string& value,
                              milliseconds timeout) {
  etcdserverpb::PutRequest request;
  etcdserverpb::PutResponse response;
  request.set_key(key);
  request.set_value(value);
  return kv(index).Put(context(timeout).get(), request, &response);
}

std::optional<std::string> TestCluster::get(std::size_t index, const std::string& key,
                                            Consistency consistency) {
  etcdserverpb::RangeRequest request;
  etcdserverpb::RangeResponse response;
  request.set_key(key);
  request.set_serializable(consistency == Consistency::serializable);
  if (!kv(index).Range(context(seconds(10)).get(), request, &response).ok()) return std::nullopt;
  if (response.kvs_size() == 0) return std::nullopt;
  return response.kvs(0).value();
}

bool TestCluster::eventually_put(std::size_t index, const std::string& key,
                                 const std::string& value) {
  return eventually([&] { return put(index, key, value, seconds(3)).ok(); });
}

HttpAnswer TestCluster::http(std::size_t index, const std::string& path) const {
  RawConnection connection(node(index).http_port);
  if (!connection.connected()) return {};
  connection.send("GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n");
  std::string text;
  if (!connection.ends_within(seconds(5), &text)) return {};
  const std::size_t body = text.find("\r\n\r\n");
  if (text.size() < 12 || body == std::string::npos) return {};
  return {std::atoi(text.c_str() + 9), text.substr(body + 4)};
}

Ended TestCluster::ctl(std::size_t index, const std::vector<std::string>& words) const {
  std::vector<std::string> arguments{program("aspenctl"), "--endpoints",
                                     node(index).client_address()};
  arguments.insert(arguments.end(), words.begin(), words.end());
  return run_to_end(arguments);
}

RawConnection::RawConnection(std::uint16_t port)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return;
  ::close(fd_);
  fd_ = -1;
}

RawConnection::~RawConnection() {
  if (fd_ >= 0) ::close(fd_);
}

void RawConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // refused meanwhile
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool RawConnection::ends_within(milliseconds patience, std::string* received) {
  const auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    pollfd wait{fd_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) <= 0) return false;
    std::array<char, 4096> buffer;
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got <= 0) return true;
    if (received != nullptr) received->append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace aspen::e2e
