// What the client concludes from what a server says, and which endpoint it asks next.
#include "node/client/client.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "etcd/rpc.grpc.pb.h"
#include "node/wire/etcd_names.h"

namespace aspen::client {
namespace {

using ::grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A server on a free loopback port whose KV answers as the test says.
class FakeServer final : public etcdserverpb::KV::Service {
 public:
  using Answer = std::function<::grpc::Status(::grpc::ServerContext&)>;

  explicit FakeServer(Answer answer) : answer_(std::move(answer)) {
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", ::grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  ::grpc::Status Put(::grpc::ServerContext* context, const etcdserverpb::PutRequest*,
                     etcdserverpb::PutResponse*) override {
    ++calls_;
    return answer_(*context);
  }
  ::grpc::Status Range(::grpc::ServerContext* context, const etcdserverpb::RangeRequest*,
                       etcdserverpb::RangeResponse*) override {
    ++calls_;
    return answer_(*context);
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  Answer answer_;
  std::atomic<int> calls_{0};
  int port_ = 0;
  std::unique_ptr<::grpc::Server> server_;
};

// Refuses as our servers do: with the name of the code beside the status.
FakeServer::Answer refusing(Code code) {
  return [code](::grpc::ServerContext& context) {
    context.AddTrailingMetadata(wire::code_metadata, to_string(code));
    return ::grpc::Status(StatusCode::UNAVAILABLE, "because");
  };
}
::grpc::Status agree(::grpc::ServerContext&) {
  return ::grpc::Status::OK;
}
// Answers nothing until its client gives up.
::grpc::Status hang(::grpc::ServerContext& context) {
  while (!context.IsCancelled()) std::this_thread::sleep_for(milliseconds(1));
  return ::grpc::Status::CANCELLED;
}
// Nothing listens on port 1.
constexpr const char* nobody = "127.0.0.1:1";

std::unique_ptr<Client> client_of(std::vector<std::string> endpoints,
                                  Duration timeout = seconds(20)) {
  Options options;
  options.endpoints = std::move(endpoints);
  options.timeout = timeout;
  auto client = Client::create(options);
  EXPECT_TRUE(client);
  return std::move(*client);
}

TEST(Client, ConcludesFromEveryCodeWhetherAWriteMayHaveHappened) {
  for (int number = 1; number <= static_cast<int>(Code::corrupt); ++number) {
    const Code code = static_cast<Code>(number);
    const FakeServer server(refusing(code));
    const auto put = client_of({server.address()})->put({});
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().code, code);
    EXPECT_EQ(put.error().message, "because");
    EXPECT_EQ(put.error().endpoint, server.address());
    EXPECT_EQ(put.error().conclusion,
              outcome_unknown(code) ? Conclusion::unknown : Conclusion::refused)
        << to_string(code);
    // A read has no outcome that could be unknown.
    EXPECT_EQ(client_of({server.address()})->range({}).error().conclusion, Conclusion::refused);
  }
}

// Another server, or a broken connection, says nothing but a status.
TEST(Client, ConcludesFromAStatusAlone) {
  for (int number = 1; number <= static_cast<int>(StatusCode::UNAUTHENTICATED); ++number) {
    const auto status = static_cast<StatusCode>(number);
    const FakeServer server([&](auto&) { return ::grpc::Status(status, "because"); });
    const auto put = client_of({server.address()})->put({});
    ASSERT_FALSE(put);
    const bool unknown = status == StatusCode::UNAVAILABLE || status == StatusCode::UNKNOWN ||
                         status == StatusCode::DEADLINE_EXCEEDED ||
                         status == StatusCode::CANCELLED || status == StatusCode::INTERNAL;
    EXPECT_EQ(put.error().conclusion, unknown ? Conclusion::unknown : Conclusion::refused)
        << number;
  }
}

TEST(Client, TakesAWriteElsewhereOnlyIfItHasCertainlyNotHappened) {
  for (int number = 1; number <= static_cast<int>(Code::corrupt); ++number) {
    const Code code = static_cast<Code>(number);
    const FakeServer first(refusing(code));
    const FakeServer second(agree);
    const bool done = client_of({first.address(), second.address()})->put({}).has_value();
    EXPECT_EQ(second.calls(), done ? 1 : 0);
    EXPECT_TRUE(!done || certainly_not_applied(code)) << to_string(code);
  }
}

TEST(Client, PassesOverEndpointsThatCannotBeReached) {
  const FakeServer server(agree);
  const auto client = client_of({nobody, server.address()});
  EXPECT_TRUE(client->put({}));
  EXPECT_TRUE(client->put({}));
  EXPECT_EQ(server.calls(), 2);
}

TEST(Client, SaysUnreachableOnlyIfNobodyAnswered) {
  EXPECT_EQ(client_of({nobody, nobody})->put({}).error().conclusion, Conclusion::unreachable);
  const FakeServer server(refusing(Code::no_leader));
  const auto put = client_of({nobody, server.address(), nobody})->put({});
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().conclusion, Conclusion::refused);
  EXPECT_EQ(put.error().code, Code::no_leader);
  EXPECT_EQ(put.error().endpoint, server.address());
}

// What took all of the time is the answer; the others are not asked with none left.
TEST(Client, EndsAtItsDeadline) {
  const FakeServer slow(hang);
  const FakeServer other(agree);
  const auto begin = std::chrono::steady_clock::now();
  const auto range = client_of({slow.address(), other.address()}, milliseconds(300))->range({});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(5));
  ASSERT_FALSE(range);
  EXPECT_EQ(range.error().endpoint, slow.address());
  EXPECT_EQ(other.calls(), 0);
}

TEST(Client, SpeaksTlsWhereHttpsIsAskedFor) {
  const FakeServer plain(agree);
  EXPECT_TRUE(client_of({"http://" + plain.address() + "/"})->put({}));
  const auto put = client_of({"https://" + plain.address()}, seconds(2))->put({});
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().conclusion, Conclusion::unreachable);
  EXPECT_EQ(plain.calls(), 1);
}

TEST(Client, RefusesOptionsThatCannotBeMeant) {
  const auto created = [](const std::string& endpoint, Credentials credentials) {
    Options options;
    options.endpoints = {endpoint};
    options.credentials = std::move(credentials);
    return Client::create(options).has_value();
  };
  EXPECT_TRUE(created(nobody, {}));
  EXPECT_TRUE(created(nobody, {"/dev/null", "/dev/null", "/dev/null"}));
  EXPECT_FALSE(created(nobody, {"", "/dev/null", ""}));
  EXPECT_FALSE(created(nobody, {"", "", "/dev/null"}));
  EXPECT_FALSE(created(nobody, {"/none/such", "", ""}));
  EXPECT_FALSE(created("http://h:1", {"/dev/null", "", ""}));
  EXPECT_FALSE(Client::create({}).has_value());
}

TEST(SplitEndpoints, DropsEmptyParts) {
  EXPECT_EQ(split_endpoints(" a:1, ,b:2,"), (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_TRUE(split_endpoints(" , ").empty());
}

}  // namespace
}  // namespace aspen::client
