// SIGTERM: who waits for an answer gets a definite one, the process ends cleanly and soon, and the
// same directory serves again.
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "tests/e2e/repeating_clients.h"
#include "tests/e2e/test_cluster.h"

namespace aspen::e2e {
namespace {

using std::chrono::seconds;

// What clients of one node are told while it stops. Fail-fast, as clients of a dead node would
// otherwise wait for the next.
class Clients {
 public:
  Clients(TestCluster& cluster, std::size_t node, std::size_t count)
      : threads_(count, [this, &cluster, node](std::size_t client, std::size_t i) {
          return put(cluster, node, "stop/" + std::to_string(client) + "/" + std::to_string(i));
        }) {}

  void stop() { threads_.stop(); }
  [[nodiscard]] std::size_t done_count() const { return done_count_; }
  // After stop().
  [[nodiscard]] const std::map<std::string, std::int64_t>& done() const { return done_; }
  [[nodiscard]] const std::vector<grpc::Status>& failed() const { return failed_; }

 private:
  bool put(TestCluster& cluster, std::size_t node, const std::string& key) {
    etcdserverpb::PutRequest request;
    etcdserverpb::PutResponse response;
    request.set_key(key);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(10));
    const grpc::Status status = cluster.kv(node).Put(&context, request, &response);
    const std::lock_guard lock(mutex_);
    if (!status.ok()) {
      failed_.push_back(status);
      return false;
    }
    ++done_count_;
    done_[key] = response.header().revision();
    return true;
  }

  std::atomic<std::size_t> done_count_{0};
  std::mutex mutex_;
  std::map<std::string, std::int64_t> done_;
  std::vector<grpc::Status> failed_;
  RepeatingClients threads_;  // the last to begin and the first to end
};

class Stop : public testing::Test {
 protected:
  void SetUp() override {
    cluster.start();
    ASSERT_FALSE(HasFatalFailure());
  }

  void stop_under_load(std::size_t node) {
    Clients clients(cluster, node, 8);
    ASSERT_TRUE(eventually([&] { return clients.done_count() > 50; }));
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(cluster.processes().terminate(node), 0) << cluster.log(node);
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_LE(took, seconds(5)) << cluster.log(node);
    clients.stop();
    // Nobody is left to wait for a deadline.
    for (const grpc::Status& status : clients.failed()) {
      EXPECT_NE(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << status.error_message();
    }
    EXPECT_EQ(clients.failed().size(), 8U);
    const std::size_t other = (node + 1) % TestCluster::node_count;
    ASSERT_TRUE(cluster.eventually_put(other, "during", "1"));
    cluster.processes().start(node);
    ASSERT_TRUE(cluster.eventually_put(node, "after", "1"));
    for (const auto& [key, revision] : clients.done()) {
      EXPECT_TRUE(cluster.get(node, key).has_value()) << key;
    }
    EXPECT_TRUE(eventually([&] { return cluster.hashes_equal(); }));
    EXPECT_FALSE(cluster.logged(node, "did not stop in time")) << cluster.log(node);
  }

  TestCluster cluster;
};

TEST_F(Stop, OfTheLeaderUnderLoadIsCleanAndLosesNothing) {
  stop_under_load(cluster.await_leader());
}

TEST_F(Stop, OfAFollowerUnderLoadIsCleanAndLosesNothing) {
  stop_under_load((cluster.await_leader() + 1) % TestCluster::node_count);
}

// Without a majority a write has to wait: a stop does not wait with it.
TEST_F(Stop, WithoutAMajorityEndsWaitingCallsInTime) {
  ASSERT_TRUE(cluster.eventually_put(0, "before", "1"));
  cluster.processes().kill9(1);
  cluster.processes().kill9(2);
  grpc::Status told;
  std::jthread waiting([&] { told = cluster.put(0, "waiting", "1", seconds(20)); });
  ASSERT_TRUE(eventually([&] {
    const HttpAnswer metrics = cluster.http(0, "/metrics");
    return metrics.body.find("\naspen_proposals_pending 1\n") != std::string::npos;
  }));
  std::atomic<bool> not_ready{false};
  std::jthread probing([&](const std::stop_token& ended) {
    while (!ended.stop_requested() && !not_ready) {
      const HttpAnswer ready = cluster.http(0, "/readyz");
      not_ready = ready.status == 503 && ready.body.find("stopping") != std::string::npos;
    }
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(cluster.processes().terminate(0), 0);
  EXPECT_LE(std::chrono::steady_clock::now() - begin, seconds(5));
  waiting.join();
  EXPECT_TRUE(not_ready) << "nobody is to be sent to a node that drains";
  EXPECT_EQ(told.error_code(), grpc::StatusCode::UNAVAILABLE) << told.error_message();
}

}  // namespace
}  // namespace aspen::e2e
