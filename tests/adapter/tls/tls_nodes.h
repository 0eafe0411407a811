// Nodes that speak TLS over a simulated network, certificates that a test can exchange, and a plain
// stream's end for what no node would send.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "node/adapter/tls/tls_transport.h"
#include "node/base/prng.h"
#include "tests/contract/sim_transport.h"
#include "tests/support/certificates.h"

namespace aspen::adapter::tls {

class SwitchedCertificates final : public CertificateSource {
 public:
  std::shared_ptr<const Certificates> current() const override { return current_; }
  void set_listener(std::function<void()>) override {}
  void use(const support::Issued& issued, const std::string& bundle) {
    current_ = std::make_shared<Certificates>(Certificates{issued.certificate, issued.key, bundle});
  }

 private:
  std::shared_ptr<const Certificates> current_;
};

// One end of a stream: what it has read, and how it ended.
struct End final : StreamSink {
  std::unique_ptr<Stream> stream;
  std::string received;
  Error error;
  std::function<void(End&)> then;

  void take(std::unique_ptr<Stream> taken) {
    stream = std::move(taken);
    stream->set_sink(this);
  }
  void on_ready() override {
    char space[20'000];
    while (error.code == Code::ok) {
      const auto bytes = stream->read(space);
      if (!bytes) error = bytes.error();
      received.append(space, bytes.value_or(0));
      if (!bytes || *bytes < sizeof(space)) break;
    }
    if (then) then(*this);
  }
  [[nodiscard]] bool open() const { return stream->identity() != nullptr; }
  [[nodiscard]] bool over() const { return error.code != Code::ok; }
  [[nodiscard]] std::string what() const { return error.what; }
  std::size_t send(std::string_view text) {
    const std::string_view parts[] = {text};
    return stream->write(parts).value_or(0);
  }
};

struct Accepting final : ListenerSink {
  std::vector<std::unique_ptr<End>> ends;
  std::function<void(End&)> then;
  void on_accept(std::unique_ptr<Stream> stream) override {
    ends.push_back(std::make_unique<End>());
    ends.back()->take(std::move(stream));
    if (then) then(*ends.back());
  }
  End& last() { return *ends.back(); }
};

class Network {
 public:
  explicit Network(std::uint64_t seed = 1)
      : sim_([this](Duration delay, std::function<void()> run) { add(delay, std::move(run)); },
             Prng(seed)) {}
  [[nodiscard]] Transport& host(const std::string& name) { return sim_.host(name); }

  [[nodiscard]] bool run_until(const std::function<bool()>& done) {
    for (int i = 0; i < 100'000; ++i) {
      if (done()) return true;
      if (events_.empty()) return false;
      step();
    }
    return false;
  }
  // Until nothing happens any more.
  void run() {
    for (int i = 0; i < 100'000 && !events_.empty(); ++i) step();
    ASSERT_TRUE(events_.empty());
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
  sim::SimNetwork sim_;
};

// A node that listens at NAME:1.
struct TlsNode {
  SwitchedCertificates certificates;
  std::unique_ptr<TlsTransport> transport;
  Accepting accepted;
  std::unique_ptr<Listener> listener;
  std::vector<std::unique_ptr<End>> dialled;

  TlsNode(Network& network, const std::string& name, const support::Issued& issued,
          const std::string& bundle) {
    certificates.use(issued, bundle);
    auto made = TlsTransport::create(network.host(name), certificates);
    EXPECT_TRUE(made) << made.error().what;
    transport = std::move(*made);
    auto listening = transport->listen(name + ":1", accepted);
    EXPECT_TRUE(listening) << listening.error().what;
    listener = std::move(*listening);
  }
  End& dial(const std::string& address) {
    auto stream = transport->connect(address);
    EXPECT_TRUE(stream) << stream.error().what;
    dialled.push_back(std::make_unique<End>());
    dialled.back()->take(std::move(*stream));
    return *dialled.back();
  }
};

// Stands between two nodes at "middle:1" and passes bytes on to "server:1", as `mangle` changes
// them; it closes both sides when that gives false.
class Middle {
 public:
  using Mangle = std::function<bool(std::string& bytes)>;
  Middle(Network& network, Mangle to_server, Mangle to_client)
      : network_(network), to_server_(std::move(to_server)), to_client_(std::move(to_client)) {
    accepting_.then = [this](End& client) {
      auto onward = network_.host("middle").connect("server:1");
      EXPECT_TRUE(onward);
      server_.take(std::move(*onward));
      client.then = [this](End& from) { pass(from, server_, to_server_); };
      server_.then = [this](End& from) {
        pass(from, accepting_.last(), to_client_);
        // What waited for the connection.
        pass(accepting_.last(), server_, to_server_);
      };
    };
    listener_ = std::move(*network_.host("middle").listen("middle:1", accepting_));
  }

 private:
  void pass(End& from, End& to, const Mangle& mangle) {
    if (cut_) return;
    std::string fresh = std::exchange(from.received, {});
    if (!fresh.empty() && !mangle(fresh)) cut_ = true;
    waiting(to) += fresh;
    const std::size_t taken = to.send(waiting(to));
    waiting(to).erase(0, taken);
    if (!cut_ && !from.over()) return;
    cut_ = true;
    accepting_.last().then = nullptr;
    server_.then = nullptr;
    accepting_.last().stream.reset();
    server_.stream.reset();
  }
  std::string& waiting(const End& to) { return &to == &server_ ? for_server_ : for_client_; }

  Network& network_;
  Mangle to_server_;
  Mangle to_client_;
  Accepting accepting_;
  End server_;
  std::string for_server_;
  std::string for_client_;
  bool cut_ = false;
  std::unique_ptr<Listener> listener_;
};

}  // namespace aspen::adapter::tls
