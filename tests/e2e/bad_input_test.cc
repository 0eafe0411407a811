// What a careless or hostile outside can do to a node: each gets a clear answer, and a healthy
// cluster goes on as if nothing had happened.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "node/base/limits.h"
#include "tests/e2e/test_cluster.h"

namespace aspen::e2e {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr int exit_usage = 2;
constexpr int exit_durability = 4;

// One cluster for all tests: that it survives each of them is what they are about.
class BadInput : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared = std::make_unique<TestCluster>();
    shared->start();
  }
  static void TearDownTestSuite() { shared.reset(); }

  void SetUp() override {
    ASSERT_TRUE(cluster.eventually_put(0, "before", "1"));
    for (const NodeProcess& node : cluster.processes().nodes()) pids.push_back(node.pid);
  }

  void TearDown() override {
    for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
      EXPECT_EQ(cluster.node(i).pid, pids[i]);
      EXPECT_FALSE(cluster.processes().wait_end(i, std::chrono::milliseconds(0))) << cluster.log(i);
      EXPECT_TRUE(cluster.put(i, "after", std::to_string(i)).ok()) << cluster.log(i);
      EXPECT_EQ(cluster.get(i, "after"), std::to_string(i));
    }
    EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); }));
  }

  // A node that is started beside the cluster's does not start, with this status and these words.
  void expect_no_start(const std::vector<std::string>& flags, int status,
                       const std::vector<std::string>& words) {
    const std::string directory = folder.path() + "/node";
    std::vector<std::string> arguments{program("aspen-node"), "--name=n9",
                                       "--data-dir=" + directory};
    for (const char* port : {"client", "peer", "http"}) {
      arguments.push_back(std::string("--listen-") + port +
                          "=127.0.0.1:" + std::to_string(free_port()));
    }
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Ended ended = run_to_end(arguments);
    EXPECT_EQ(ended.status, status) << ended.output;
    for (const std::string& word : words) {
      EXPECT_NE(ended.output.find(word), std::string::npos) << word << ": " << ended.output;
    }
  }

  void expect_refusal(const grpc::Status& status, grpc::StatusCode code, const std::string& text) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_EQ(status.error_message(), text);
  }

  static std::unique_ptr<TestCluster> shared;
  TestCluster& cluster = *shared;
  TemporaryFolder folder;
  std::vector<pid_t> pids;
};

std::unique_ptr<TestCluster> BadInput::shared;

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(generator());
  return bytes;
}

TEST_F(BadInput, NonsenseOnThePeerPortClosesThatConnectionOnly) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  const std::vector<std::string> nonsense{
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + std::string(200, 'x'), random_bytes(4096, seed),
      std::string(4096, '\xff'), std::string(4096, '\0')};
  std::vector<std::unique_ptr<RawConnection>> connections;
  for (const std::string& bytes : nonsense) {
    for (const NodeProcess& node : cluster.processes().nodes()) {
      connections.push_back(std::make_unique<RawConnection>(node.peer_port));
      ASSERT_TRUE(connections.back()->connected());
      connections.back()->send(bytes);
    }
  }
  for (const auto& connection : connections) EXPECT_TRUE(connection->ends_within(seconds(15)));
  EXPECT_TRUE(cluster.logged(0, "does not speak this protocol")) << cluster.log(0);
}

TEST_F(BadInput, SilenceAndHalfAFrameOnThePeerPortAreCutOffInTime) {
  RawConnection silent(cluster.node(0).peer_port);
  RawConnection half(cluster.node(1).peer_port);
  ASSERT_TRUE(silent.connected() && half.connected());
  half.send("A");
  EXPECT_TRUE(cluster.put(0, "during", "1").ok());
  EXPECT_TRUE(silent.ends_within(seconds(20)));
  EXPECT_TRUE(half.ends_within(seconds(20)));
}

// More connections than a node keeps open for strangers, all silent.
TEST_F(BadInput, AFloodOfConnectionsToThePeerPortHoldsNobodyUp) {
  std::vector<std::unique_ptr<RawConnection>> flood;
  for (std::size_t i = 0; i < 3 * limits::links_pending_max; ++i) {
    flood.push_back(std::make_unique<RawConnection>(cluster.node(0).peer_port));
    EXPECT_TRUE(flood.back()->connected());
  }
  EXPECT_TRUE(cluster.put(1, "during", "1").ok());
  EXPECT_EQ(cluster.get(0, "during"), "1");
}

TEST_F(BadInput, NonsenseOnTheClientAndHttpPortsClosesThatConnectionOnly) {
  for (const std::uint16_t port : {cluster.node(0).client_port, cluster.node(0).http_port}) {
    RawConnection connection(port);
    ASSERT_TRUE(connection.connected());
    connection.send(random_bytes(100'000, 7) + "\r\n\r\n");
    EXPECT_TRUE(connection.ends_within(seconds(20)));
  }
  EXPECT_EQ(cluster.http(0, "/../../etc/passwd").status, 404);
}

TEST_F(BadInput, RequestsOverTheLimitsGetEtcdsRefusalAndLeaveNothingBehind) {
  using enum grpc::StatusCode;
  const std::string too_large = "etcdserver: request is too large";
  for (std::size_t i = 0; i < TestCluster::node_count; ++i) {
    expect_refusal(cluster.put(i, "large", std::string(limits::request_bytes_max + 1, 'v')),
                   INVALID_ARGUMENT, too_large);
    expect_refusal(cluster.put(i, std::string(limits::request_bytes_max + 1, 'k'), "v"),
                   INVALID_ARGUMENT, too_large);
    // etcd looks at the size last, and not at that of reads.
    for (const std::size_t size : {std::size_t{1}, limits::request_bytes_max + 1}) {
      expect_refusal(cluster.put(i, "", std::string(size, 'v')), INVALID_ARGUMENT,
                     "etcdserver: key is not provided");
    }
    etcdserverpb::TxnRequest reading;
    reading.add_success()->mutable_request_range()->set_key(
        std::string(limits::request_bytes_max + 1, 'k'));
    etcdserverpb::TxnResponse read;
    grpc::ClientContext reads;
    EXPECT_TRUE(cluster.kv(i).Txn(&reads, reading, &read).ok());
    EXPECT_EQ(cluster.put(i, "large", std::string(4 << 20, 'v')).error_code(), RESOURCE_EXHAUSTED);
    etcdserverpb::TxnRequest request;
    etcdserverpb::TxnResponse response;
    for (std::size_t n = 0; n <= limits::txn_operations_max; ++n) {
      auto& put = *request.add_success()->mutable_request_put();
      put.set_key("large/" + std::to_string(n));
      put.set_value("v");
    }
    grpc::ClientContext many;
    expect_refusal(cluster.kv(i).Txn(&many, request, &response), INVALID_ARGUMENT,
                   "etcdserver: too many operations in txn request");
    request.mutable_success()->DeleteSubrange(1, request.success_size() - 1);
    *request.add_success() = request.success(0);
    grpc::ClientContext twice;
    expect_refusal(cluster.kv(i).Txn(&twice, request, &response), INVALID_ARGUMENT,
                   "etcdserver: duplicate key given in txn request");
  }
  etcdserverpb::RangeRequest request;
  etcdserverpb::RangeResponse response;
  request.set_key("large");
  request.set_range_end("largf");
  grpc::ClientContext context;
  ASSERT_TRUE(cluster.kv(0).Range(&context, request, &response).ok());
  EXPECT_EQ(response.count(), 0);
}

TEST_F(BadInput, APortInUseIsNamedWithItsFlag) {
  const NodeProcess& taken = cluster.node(0);
  const std::vector<std::pair<std::string, std::uint16_t>> ports{
      {"--listen-client", taken.client_port},
      {"--listen-peer", taken.peer_port},
      {"--listen-http", taken.http_port}};
  for (const auto& [flag, port] : ports) {
    const std::string address = "127.0.0.1:" + std::to_string(port);
    expect_no_start({flag + "=" + address}, exit_usage,
                    {flag + " " + address + ": listen: the port is in use by another process"});
  }
}

TEST_F(BadInput, AnAddressThatIsNotThisMachinesIsNamedWithItsFlag) {
  for (const std::string flag : {"--listen-client", "--listen-peer", "--listen-http"}) {
    expect_no_start({flag + "=192.0.2.1:2379"}, exit_usage,
                    {flag + " 192.0.2.1:2379: listen: this machine has no such address"});
    expect_no_start({flag + "=no such host:2379"}, exit_usage,
                    {flag + " no such host:2379: ", "expected"});
  }
}

TEST_F(BadInput, AConfigTypoIsRefusedWithTheNearestKey) {
  expect_no_start({"--election-timout=1s"}, exit_usage, {"'election-timout'", "election-timeout"});
  expect_no_start({"--election-timeout=fast"}, exit_usage, {"--election-timeout 'fast'", "500ms"});
  const std::string file = folder.path() + "/config.toml";
  std::ofstream(file) << "segment-byte = \"64MiB\"\n";
  expect_no_start({"--config=" + file}, exit_usage, {file, "'segment-byte'", "segment-bytes"});
}

TEST_F(BadInput, ADirectoryInUseIsRefused) {
  expect_no_start({"--name=n1", "--data-dir=" + cluster.node(0).directory}, exit_usage,
                  {"--data-dir", cluster.node(0).directory, "in use by another process"});
  expect_no_start({"--data-dir=/dev/null/data"}, exit_usage, {"--data-dir /dev/null/data"});
}

TEST_F(BadInput, ASecretThatCannotBeUsedIsRefused) {
  const std::string file = folder.path() + "/secret";
  expect_no_start({"--peer-secret-file=" + file}, exit_usage, {"--peer-secret-file", file});
  std::ofstream(file) << "short\n";
  expect_no_start({"--peer-secret-file=" + file}, exit_usage, {file, "16 bytes"});
  // A folder can be opened and not read, also by root.
  expect_no_start({"--peer-secret-file=" + folder.path()}, exit_usage,
                  {"--peer-secret-file", folder.path()});
}

// These change what the nodes run on: a cluster each.
class BadDisk : public testing::Test {
 protected:
  void SetUp() override {
    cluster.start();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_TRUE(cluster.eventually_put(0, "before", "1"));
  }
  TestCluster cluster;
};

TEST_F(BadDisk, AWrongSecretIsRefusedByTheOthersAndNamed) {
  cluster.processes().kill9(1);
  const std::string file = cluster.processes().options().directory + "/wrong-secret";
  std::ofstream(file) << "another secret that is long enough\n";
  cluster.processes().start(1, {"--peer-secret-file=" + file});
  const char* text = "give all nodes the same --peer-secret-file";
  EXPECT_TRUE(eventually([&] { return cluster.logged(0, text) && cluster.logged(2, text); }))
      << cluster.log(0);
  EXPECT_TRUE(eventually([&] { return cluster.http(1, "/readyz").status == 503; }));
  // It is no matter of identity, whatever a stranger says.
  EXPECT_EQ(cluster.http(1, "/readyz").body.find("identity"), std::string::npos);
  for (const std::size_t node : {0U, 2U}) {
    EXPECT_TRUE(cluster.eventually_put(node, "after", "1"));
    EXPECT_EQ(cluster.http(node, "/readyz").status, 200);
  }
  EXPECT_FALSE(cluster.put(1, "wrong", "1", std::chrono::milliseconds(1500)).ok());
  cluster.processes().kill9(1);
  cluster.processes().start(1);
  EXPECT_TRUE(cluster.eventually_put(1, "again", "1"));
  EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); }));
}

TEST_F(BadDisk, ALogDamagedInTheMiddleEndsThatNodeWithFileAndOffset) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(cluster.put(1, "key", std::string(1000, 'v')).ok());
  ASSERT_TRUE(eventually([&] { return cluster.hashes_equal(); }));
  cluster.processes().kill9(1);
  const std::string file = cluster.node(1).directory + "/log/0000000000000001.log";
  constexpr off_t offset = 20'000;
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  char byte = 0;
  ASSERT_EQ(::pread(fd, &byte, 1, offset), 1);
  byte = static_cast<char>(byte ^ 1);
  ASSERT_EQ(::pwrite(fd, &byte, 1, offset), 1);
  ::close(fd);
  cluster.processes().start(1);
  EXPECT_EQ(cluster.processes().wait_end(1, seconds(20)), exit_durability) << cluster.log(1);
  EXPECT_TRUE(cluster.logged(1, "the log is damaged: " + file + " at byte ")) << cluster.log(1);
  EXPECT_TRUE(cluster.logged(1, "this member must be replaced")) << cluster.log(1);
  for (const std::size_t node : {0U, 2U}) {
    EXPECT_TRUE(cluster.eventually_put(node, "after", "1"));
    EXPECT_EQ(cluster.get(node, "before"), "1");
  }
  EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); }));
}

}  // namespace
}  // namespace aspen::e2e
