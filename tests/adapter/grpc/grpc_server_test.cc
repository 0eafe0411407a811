// The server's life: start, stop, cancellation, health, reflection.
#include "node/adapter/grpc/grpc_server.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <filesystem>
#include <future>
#include <thread>

#include "etcd/rpc.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/adapter/grpc/server_fixture.h"
#include "tests/support/temporary_folder.h"

namespace aspen::adapter {
namespace {

using ::grpc::StatusCode;
using ::grpc::health::v1::Health;
using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

// Puts wait until the test answers them.
class GrpcServerTest : public ServerFixture {
 protected:
  using Done = gateway::Done<kv::PutResponse>;

  void SetUp() override {
    ServerFixture::SetUp();
    kv = etcdserverpb::KV::NewStub(channel);
    service.on_put = [this](kv::PutRequest, gateway::Deadline, Done done) {
      accepted.set_value(std::move(done));
    };
  }
  // Starts a put and waits until the gateway has it.
  Done start_put() {
    caller = std::thread([this] {
      etcdserverpb::PutResponse response;
      status = kv->Put(&context, {}, &response);
    });
    return accepted.get_future().get();
  }

  // Polls: the server tells nobody. The test's time limit ends what never comes.
  template <class Condition>
  static void wait_for(Condition condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // Whether a new call is served; a server that stops says no, or refuses the question.
  bool serving() {
    ::grpc::ClientContext asking;
    HealthCheckResponse response;
    return Health::NewStub(channel)->Check(&asking, {}, &response).ok() &&
           response.status() == HealthCheckResponse::SERVING;
  }
  double handled(const std::string& of, const std::string& method, const std::string& code) const {
    return telemetry.value("aspen_grpc_server_handled_total grpc_service=" + of +
                           " grpc_method=" + method + " grpc_code=" + code);
  }

  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::promise<Done> accepted;
  std::thread caller;
  ::grpc::ClientContext context;
  ::grpc::Status status;
};

TEST_F(GrpcServerTest, AnAnswerAfterTheClientsCancellationIsDropped) {
  const Done done = start_put();
  context.TryCancel();
  caller.join();
  EXPECT_EQ(status.error_code(), StatusCode::CANCELLED);
  // The server hears of it after its client; only then the answer is one to drop.
  wait_for([this] { return handled("etcdserverpb.KV", "Put", "Canceled") == 1; });
  done(reply(kv::PutResponse{}));
  server->stop(std::chrono::seconds(10));
}

TEST_F(GrpcServerTest, AnAnswerMayComeFromAnyThread) {
  const Done done = start_put();
  std::thread([&done] { done(reply(kv::PutResponse{})); }).join();
  caller.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(GrpcServerTest, StopLetsRunningCallsFinish) {
  const Done done = start_put();
  std::thread stopper([this] { server->stop(std::chrono::seconds(60)); });
  wait_for([this] { return !serving(); });
  done(reply(kv::PutResponse{}));
  caller.join();
  stopper.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(GrpcServerTest, StopCancelsWhatOutlastsTheDrain) {
  const Done done = start_put();
  const Instant before = clock.now();
  server->stop(std::chrono::milliseconds(50));
  EXPECT_LT(clock.now() - before, std::chrono::seconds(10));
  caller.join();
  EXPECT_FALSE(status.ok());
  done(reply(kv::PutResponse{}));
}

TEST_F(GrpcServerTest, AStoppedServerAcceptsNothing) {
  server->stop(Duration::zero());
  etcdserverpb::PutResponse response;
  EXPECT_EQ(kv->Put(&context, {}, &response).error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(GrpcServerTest, APortInUseIsAnError) {
  const auto second = GrpcServer::start({{"127.0.0.1:0", address()}, Reflection::off, ""},
                                        {service, clock, telemetry});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_EQ(second.error().detail, 1U);
}

TEST_F(GrpcServerTest, AMalformedAddressIsAnError) {
  const auto second =
      GrpcServer::start({{"nonsense address"}, Reflection::off, ""}, {service, clock, telemetry});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_FALSE(GrpcServer::start({{}, Reflection::off, ""}, {service, clock, telemetry}));
}

TEST_F(GrpcServerTest, TheControlSocketIsItsOwnersAlone) {
  const support::TemporaryFolder folder;
  GrpcServerOptions with_socket = options;
  with_socket.control_socket = folder.path() + "/control.sock";
  for (int start = 0; start < 2; ++start) {
    auto second = GrpcServer::start(with_socket, {service, clock, telemetry});
    ASSERT_TRUE(second) << second.error().what;
    const auto permissions = std::filesystem::status(with_socket.control_socket).permissions();
    EXPECT_EQ(permissions,
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    channel = ::grpc::CreateChannel("unix:" + with_socket.control_socket,
                                    ::grpc::InsecureChannelCredentials());
    service.node_health = {true, true, ""};
    EXPECT_TRUE(serving());
  }
  with_socket.control_socket = folder.path() + "/absent/control.sock";
  const auto refused = GrpcServer::start(with_socket, {service, clock, telemetry});
  ASSERT_FALSE(refused);
  EXPECT_STREQ(refused.error().what, "cannot make the control socket");
}

TEST_F(GrpcServerTest, TheWildcardListensOnBothFamilies) {
  auto both = GrpcServer::start({{":0"}, Reflection::off, ""}, {service, clock, telemetry});
  ASSERT_TRUE(both) << both.error().what;
  const std::string port = std::to_string((*both)->listening_ports().at(0));
  for (const char* host : {"127.0.0.1:", "[::1]:"}) {
    const auto one = ::grpc::CreateChannel(host + port, ::grpc::InsecureChannelCredentials());
    const auto health = Health::NewStub(one);
    HealthCheckResponse response;
    ::grpc::ClientContext call;
    EXPECT_TRUE(health->Check(&call, {}, &response).ok()) << host;
  }
}

TEST_F(GrpcServerTest, HealthIsServingWhileTheNodeIsLive) {
  const auto health = Health::NewStub(channel);
  HealthCheckResponse response;
  ::grpc::ClientContext c1;
  ASSERT_TRUE(health->Check(&c1, {}, &response).ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  HealthCheckRequest request;
  request.set_service("etcdserverpb.KV");
  ::grpc::ClientContext c2;
  ASSERT_TRUE(health->Check(&c2, request, &response).ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  request.set_service("nobody");
  ::grpc::ClientContext c3;
  EXPECT_EQ(health->Check(&c3, request, &response).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(GrpcServerTest, AHealthWatchSeesTheStop) {
  const auto health = Health::NewStub(channel);
  ::grpc::ClientContext call;
  const auto watch = health->Watch(&call, {});
  HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  std::thread stopper([this] { server->stop(std::chrono::seconds(60)); });
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watch->Read(&response));
  stopper.join();
}

TEST_F(GrpcServerTest, AHealthWatchEndsWithItsClient) {
  const auto health = Health::NewStub(channel);
  ::grpc::ClientContext call;
  const auto watch = health->Watch(&call, {});
  HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  call.TryCancel();
  EXPECT_EQ(watch->Finish().error_code(), StatusCode::CANCELLED);
  server->stop(std::chrono::seconds(10));
  EXPECT_EQ(handled("grpc.health.v1.Health", "Watch", "Canceled"), 1);
}

// Method: the status of a call with an empty message.
TEST_F(GrpcServerTest, ReflectionIsServedIfAskedFor) {
  const auto asks = [](const std::string& target) {
    ::grpc::TemplatedGenericStub<HealthCheckRequest, HealthCheckResponse> stub(
        ::grpc::CreateChannel(target, ::grpc::InsecureChannelCredentials()));
    ::grpc::ClientContext call;
    HealthCheckRequest request;
    HealthCheckResponse response;
    std::promise<StatusCode> code;
    stub.UnaryCall(&call, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", {},
                   &request, &response,
                   [&code](const ::grpc::Status& ended) { code.set_value(ended.error_code()); });
    return code.get_future().get();
  };
  EXPECT_EQ(asks(address()), StatusCode::UNIMPLEMENTED);
  auto with = GrpcServer::start({{"127.0.0.1:0"}, Reflection::on, ""}, {service, clock, telemetry});
  ASSERT_TRUE(with);
  EXPECT_NE(asks("127.0.0.1:" + std::to_string((*with)->listening_ports().at(0))),
            StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace aspen::adapter
