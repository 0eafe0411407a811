#include "tests/contract/transport_contract.h"

#include <chrono>
#include <queue>

#include "node/adapter/tcp/tcp_transport.h"
#include "node/adapter/tls/tls_transport.h"
#include "node/base/prng.h"
#include "tests/contract/sim_transport.h"
#include "tests/support/certificates.h"

namespace aspen {
namespace {

using std::chrono::milliseconds;

class TcpWorld final : public TransportWorld {
 public:
  Transport& left() override { return *left_; }
  Transport& right() override { return *right_; }
  std::string right_address() const override { return "127.0.0.1:0"; }
  std::string nobody() const override { return "127.0.0.1:1"; }

  bool run_until(const std::function<bool()>& done) override {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      turn();
    }
    return true;
  }
  void run_a_while() override {
    for (int i = 0; i < 10; ++i) turn();
  }

 private:
  void turn() {
    left_->wait(milliseconds(1));
    right_->wait(milliseconds(1));
  }

  std::unique_ptr<adapter::tcp::TcpTransport> left_ =
      std::move(*adapter::tcp::TcpTransport::create());
  std::unique_ptr<adapter::tcp::TcpTransport> right_ =
      std::move(*adapter::tcp::TcpTransport::create());
};

class SimWorld final : public TransportWorld {
 public:
  explicit SimWorld(std::uint64_t seed)
      : network_([this](Duration delay, std::function<void()> run) { add(delay, std::move(run)); },
                 Prng(seed)) {}
  Transport& left() override { return network_.host("left"); }
  Transport& right() override { return network_.host("right"); }
  std::string right_address() const override { return "right:0"; }
  std::string nobody() const override { return "right:1"; }

  bool run_until(const std::function<bool()>& done) override {
    for (int i = 0; i < 2'000'000; ++i) {
      if (done()) return true;
      if (events_.empty()) return false;
      step();
    }
    return false;
  }
  void run_a_while() override {
    for (int i = 0; i < 1000 && !events_.empty(); ++i) step();
  }

 private:
  struct Event {
    Instant at;
    std::uint64_t number;
    std::shared_ptr<std::function<void()>> run;
    bool operator<(const Event& other) const {
      return std::pair(at, number) > std::pair(other.at, other.number);
    }
  };
  void add(Duration delay, std::function<void()> run) {
    events_.push({now_ + delay, ++count_, std::make_shared<std::function<void()>>(std::move(run))});
  }
  void step() {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    (*event.run)();
  }

  Instant now_;
  std::uint64_t count_ = 0;
  std::priority_queue<Event> events_;
  sim::SimNetwork network_;
};

class FixedCertificates final : public CertificateSource {
 public:
  std::shared_ptr<const Certificates> current() const override { return current_; }
  void set_listener(std::function<void()>) override {}

 private:
  static std::shared_ptr<const Certificates> make() {
    support::CertificateAuthority authority("contract");
    const support::Issued issued = authority.issue({});
    return std::make_shared<Certificates>(
        Certificates{issued.certificate, issued.key, authority.certificate()});
  }
  std::shared_ptr<const Certificates> current_ = make();
};

// Every implementation under TLS is an implementation.
template <class World>
class TlsWorld final : public TransportWorld {
 public:
  template <class... Arguments>
  explicit TlsWorld(Arguments... arguments) : world_(arguments...) {}
  Transport& left() override { return *left_; }
  Transport& right() override { return *right_; }
  std::string right_address() const override { return world_.right_address(); }
  std::string nobody() const override { return world_.nobody(); }
  bool run_until(const std::function<bool()>& done) override { return world_.run_until(done); }
  void run_a_while() override { world_.run_a_while(); }

 private:
  std::unique_ptr<adapter::tls::TlsTransport> over(Transport& below) {
    // Keys are renewed often, so that it happens under the test.
    return std::move(
        *adapter::tls::TlsTransport::create(below, certificates_, {.records_per_key = 100}));
  }

  FixedCertificates certificates_;
  World world_;
  std::unique_ptr<adapter::tls::TlsTransport> left_ = over(world_.left());
  std::unique_ptr<adapter::tls::TlsTransport> right_ = over(world_.right());
};

INSTANTIATE_TEST_SUITE_P(Tcp, TransportContract, testing::Values(MakeTransportWorld([] {
                           return std::make_unique<TcpWorld>();
                         })));
INSTANTIATE_TEST_SUITE_P(
    Sim, TransportContract,
    testing::Values(MakeTransportWorld([] { return std::make_unique<SimWorld>(1); }),
                    MakeTransportWorld([] { return std::make_unique<SimWorld>(2); })));
INSTANTIATE_TEST_SUITE_P(
    Tls, TransportContract,
    testing::Values(MakeTransportWorld([] { return std::make_unique<TlsWorld<TcpWorld>>(); }),
                    MakeTransportWorld([] { return std::make_unique<TlsWorld<SimWorld>>(3U); })));

}  // namespace
}  // namespace aspen
