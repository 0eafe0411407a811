#include "tests/e2e/test_cluster.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <set>

#include "aspen/v1/cluster.grpc.pb.h"
#include "node/base/assert.h"

namespace aspen::e2e {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::unique_ptr<grpc::ClientContext> context(milliseconds timeout) {
  auto made = std::make_unique<grpc::ClientContext>();
  made->set_deadline(std::chrono::system_clock::now() + timeout);
  // A call that fails at once would leave the channel no time to connect.
  made->set_wait_for_ready(true);
  return made;
}

std::shared_ptr<grpc::Channel> channel_to(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::string made_folder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "aspen-e2e-XXXXXX").string();
  ASPEN_ASSERT(::mkdtemp(pattern.data()) != nullptr);
  return pattern;
}

}  // namespace

std::string program(const std::string& name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

TemporaryFolder::TemporaryFolder() : path_(made_folder()) {}

TemporaryFolder::~TemporaryFolder() {
  if (testing::Test::HasFailure()) {
    std::printf("data and logs are kept in %s\n", path_.c_str());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

TestCluster::TestCluster()
    : processes_({program("aspen-node"),
                  folder_.path() + "/nodes",
                  node_count,
                  {"--segment-bytes=16MiB", "--election-timeout=500ms"}}) {
  for (const NodeProcess& node : processes_.nodes()) {
    channels_.push_back(channel_to(node.client_address()));
    stubs_.push_back(etcdserverpb::KV::NewStub(channels_.back()));
  }
}

void TestCluster::start() {
  processes_.start_all();
  ASSERT_TRUE(eventually([this] { return init(); })) << log(0);
  ASSERT_TRUE(eventually([this] { return all_ready(); })) << log(0);
}

bool TestCluster::init() {
  aspen::v1::InitRequest request;
  for (const NodeProcess& node : processes_.nodes()) {
    auto& member = *request.add_members();
    member.set_name(node.name);
    member.set_peer_address("127.0.0.1:" + std::to_string(node.peer_port));
    member.add_client_addresses(node.client_address());
  }
  aspen::v1::InitResponse response;
  const auto stub = aspen::v1::Cluster::NewStub(channels_[0]);
  return stub->Init(context(seconds(5)).get(), request, &response).ok();
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

std::optional<etcdserverpb::StatusResponse> TestCluster::status(std::size_t index) {
  etcdserverpb::StatusRequest request;
  etcdserverpb::StatusResponse response;
  const auto stub = etcdserverpb::Maintenance::NewStub(channels_[index]);
  if (!stub->Status(context(seconds(2)).get(), request, &response).ok()) return std::nullopt;
  return response;
}

std::optional<std::size_t> TestCluster::leader() {
  for (std::size_t i = 0; i < node_count; ++i) {
    if (node(i).pid == 0) continue;
    const auto answer = status(i);
    if (answer && answer->leader() != 0 && answer->leader() == answer->header().member_id()) {
      return i;
    }
  }
  return std::nullopt;
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

bool TestCluster::hashes_equal() {
  std::set<std::pair<std::uint32_t, std::int64_t>> seen;
  for (std::size_t i = 0; i < node_count; ++i) {
    if (node(i).pid == 0) continue;
    etcdserverpb::HashKVRequest request;
    etcdserverpb::HashKVResponse response;
    const auto stub = etcdserverpb::Maintenance::NewStub(channels_[i]);
    if (!stub->HashKV(context(seconds(5)).get(), request, &response).ok()) return false;
    seen.emplace(response.hash(), response.header().revision());
  }
  return seen.size() == 1;
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
