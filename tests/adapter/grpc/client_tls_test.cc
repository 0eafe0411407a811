// TLS on the client port: who is let in, and that renewed certificates come into use without a
// failed request.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "etcd/rpc.grpc.pb.h"
#include "node/adapter/grpc/grpc_log.h"
#include "node/adapter/grpc/grpc_server.h"
#include "tests/adapter/grpc/fake_service.h"
#include "tests/contract/counting_telemetry.h"
#include "tests/support/certificates.h"

namespace aspen::adapter {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using support::CertificateAuthority;
using support::CertificateSpec;
using support::Issued;

class SwitchedCertificates final : public CertificateSource {
 public:
  std::shared_ptr<const Certificates> current() const override {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  void set_listener(std::function<void()> renewed) override {
    const std::lock_guard lock(listener_mutex_);
    listener_ = std::move(renewed);
  }
  void use(const Issued& issued, const std::string& bundle) {
    {
      const std::lock_guard lock(mutex_);
      current_ =
          std::make_shared<Certificates>(Certificates{issued.certificate, issued.key, bundle});
    }
    const std::lock_guard lock(listener_mutex_);
    if (listener_) listener_();
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Certificates> current_;
  std::mutex listener_mutex_;
  std::function<void()> listener_;
};

class KeptLog final : public LogSink {
 public:
  void write(LogLevel, std::string_view, std::string_view message,
             std::initializer_list<LogField>) override {
    const std::lock_guard lock(mutex_);
    text_ += std::string(message) + "\n";
  }
  [[nodiscard]] bool holds(const std::string& part) const {
    const std::lock_guard lock(mutex_);
    return text_.find(part) != std::string::npos;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

class ClientTls : public testing::Test {
 protected:
  static CertificateSpec spec(hours begin = hours(-1), hours end = hours(9)) {
    CertificateSpec made;
    made.addresses = {"127.0.0.1"};
    made.begin = begin;
    made.end = end;
    return made;
  }
  void start(const std::string& bundle) {
    certificates.use(authority.issue(spec()), bundle);
    auto started = GrpcServer::start({{"127.0.0.1:0"}, Reflection::off, "9.8.7"},
                                     {service, clock, telemetry, &certificates, &log});
    ASSERT_TRUE(started) << started.error().what;
    server = std::move(*started);
  }
  [[nodiscard]] std::shared_ptr<::grpc::Channel> channel(
      const std::shared_ptr<::grpc::ChannelCredentials>& credentials) const {
    ::grpc::ChannelArguments arguments;
    // Otherwise channels share connections.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return ::grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(server->listening_ports().at(0)), credentials, arguments);
  }
  [[nodiscard]] std::shared_ptr<::grpc::Channel> trusting(const std::string& roots,
                                                          const Issued& own = {}) const {
    return channel(::grpc::SslCredentials({roots, own.key, own.certificate}));
  }
  // Fails fast: a refused handshake is an error.
  static ::grpc::Status ask(const std::shared_ptr<::grpc::Channel>& channel) {
    ::grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(20));
    etcdserverpb::StatusResponse response;
    return etcdserverpb::Maintenance::NewStub(channel)->Status(&context, {}, &response);
  }
  [[nodiscard]] static bool eventually(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(milliseconds(20));
    }
    return true;
  }

  CertificateAuthority authority{"authority"};
  CertificateAuthority foreign{"foreign"};
  SwitchedCertificates certificates;
  KeptLog log;
  SteadyClock clock;
  CountingTelemetry telemetry;
  FakeService service{clock};
  std::unique_ptr<GrpcServer> server;
};

TEST_F(ClientTls, ServesThoseThatTrustItsAuthorityAndNoPlaintext) {
  ASSERT_NO_FATAL_FAILURE(start(""));
  const ::grpc::Status status = ask(trusting(authority.certificate()));
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(ask(trusting(foreign.certificate())).ok());
  EXPECT_FALSE(ask(channel(::grpc::InsecureChannelCredentials())).ok());
  EXPECT_TRUE(eventually([&] { return log.holds("it must use https://"); }));
}

TEST_F(ClientTls, WithABundleClientsNeedACertificateOfIt) {
  ASSERT_NO_FATAL_FAILURE(start(authority.certificate()));
  const std::string& roots = authority.certificate();
  const ::grpc::Status status = ask(trusting(roots, authority.issue(spec())));
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(ask(trusting(roots)).ok());
  EXPECT_TRUE(eventually([&] { return log.holds("it shows no certificate"); }));
  EXPECT_FALSE(ask(trusting(roots, foreign.issue(spec()))).ok());
  EXPECT_TRUE(eventually([&] { return log.holds("no CA of --client-tls-ca issued it"); }));
}

TEST_F(ClientTls, ExpiredClientIsRefused) {
  ASSERT_NO_FATAL_FAILURE(start(authority.certificate()));
  EXPECT_FALSE(
      ask(trusting(authority.certificate(), authority.issue(spec(hours(-9), hours(-1))))).ok());
  EXPECT_TRUE(eventually([&] { return log.holds("its certificate has expired"); }));
}

TEST_F(ClientTls, RenewedCertificatesAreForNewConnectionsAndCutNone) {
  ASSERT_NO_FATAL_FAILURE(start(authority.certificate()));
  const auto old = trusting(authority.certificate(), authority.issue(spec()));
  ASSERT_TRUE(ask(old).ok());
  certificates.use(foreign.issue(spec()), foreign.certificate());
  const Issued next = foreign.issue(spec());
  EXPECT_TRUE(eventually([&] { return ask(trusting(foreign.certificate(), next)).ok(); }));
  EXPECT_EQ(old->GetState(false), GRPC_CHANNEL_READY);
  EXPECT_TRUE(ask(old).ok());
  EXPECT_FALSE(ask(trusting(authority.certificate(), authority.issue(spec()))).ok());
}

// Goal: gRPC never serves with a key and a certificate that do not fit. Method: renewals without a
// pause, beside clients that trust all of them and connect anew for each request.
TEST_F(ClientTls, RenewalsUnderLoadFailNoRequest) {
  ASSERT_NO_FATAL_FAILURE(start(authority.certificate()));
  std::vector<Issued> issued;
  for (int i = 0; i < 8; ++i) issued.push_back(authority.issue(spec()));
  const Issued own = authority.issue(spec());
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> asked{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stopping) {
        const ::grpc::Status status = ask(trusting(authority.certificate(), own));
        EXPECT_TRUE(status.ok()) << status.error_message();
        ++asked;
      }
    });
  }
  // As long as gRPC polls a few times.
  const auto end = std::chrono::steady_clock::now() + seconds(5);
  for (std::size_t i = 0; std::chrono::steady_clock::now() < end || asked < 20; ++i) {
    certificates.use(issued[i % issued.size()], authority.certificate());
  }
  stopping = true;
  threads.clear();
  EXPECT_GE(asked, 20U);
}

TEST(GrpcLogText, NamesWhatToDoAndLeavesOutWhatIsNoNews) {
  EXPECT_EQ(explain_grpc_error("No match found for server name: 127.0.0.1."), "");
  EXPECT_EQ(explain_grpc_error("something else"), "gRPC: something else");
  EXPECT_NE(explain_grpc_error("Handshake failed with fatal error: bad record mac"), "");
}

}  // namespace
}  // namespace aspen::adapter
