// What is TCP's own; the laws of every transport are in tests/contract.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "node/adapter/tcp/address.h"
#include "node/adapter/tcp/tcp_stream.h"
#include "node/adapter/tcp/tcp_transport.h"

namespace aspen::adapter::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Sink final : StreamSink {
  int told = 0;
  void on_ready() override { ++told; }
};
struct Accepting final : ListenerSink {
  std::vector<std::unique_ptr<Stream>> streams;
  void on_accept(std::unique_ptr<Stream> stream) override { streams.push_back(std::move(stream)); }
};

bool wait_until(TcpTransport& transport, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + seconds(30);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    transport.wait(milliseconds(10));
  }
  return true;
}

TEST(TcpAddress, TakesApartWhatPeopleWrite) {
  const auto named = split_address("node-1.example:2380");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->host, "node-1.example");
  EXPECT_EQ(named->port, "2380");
  const auto six = split_address("[::1]:2380");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(join_address(*six), "[::1]:2380");
  EXPECT_EQ(split_address(":2380")->host, "");
  for (const char* bad : {"", "host", "host:", "host:65536", "host:-1", "host:2380x", "::1:2380",
                          "[]:1", "[::1:2380", "a b:1", "http://host:1"}) {
    EXPECT_EQ(split_address(bad).error().code, Code::invalid_argument) << bad;
  }
  EXPECT_FALSE(split_address(std::string(400, 'a') + ":1"));
}

TEST(TcpTransport, EmptyHostListensOnBothFamilies) {
  const auto transport = std::move(*TcpTransport::create());
  Accepting accepting;
  auto listener = transport->listen(":0", accepting);
  ASSERT_TRUE(listener) << listener.error().what;
  const std::string port = (*listener)->address().substr((*listener)->address().rfind(':'));
  const int probe = ::socket(AF_INET6, SOCK_STREAM, 0);
  const bool has_six = probe >= 0;
  if (has_six) ::close(probe);
  auto four = transport->connect("127.0.0.1" + port);
  ASSERT_TRUE(four);
  std::unique_ptr<Stream> six;
  if (has_six) six = std::move(*transport->connect("[::1]" + port));
  EXPECT_TRUE(wait_until(
      *transport, [&] { return accepting.streams.size() == (has_six ? std::size_t{2} : 1u); }));
  for (const auto& stream : accepting.streams) {
    EXPECT_TRUE(stream->peer_address().starts_with("127.0.0.1:") ||
                stream->peer_address().starts_with("[::1]:"))
        << stream->peer_address();
  }
}

TEST(TcpTransport, AddressOfAnotherMachineIsNamed) {
  const auto transport = std::move(*TcpTransport::create());
  Accepting accepting;
  const auto listener = transport->listen("192.0.2.1:0", accepting);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, Code::unavailable);
  EXPECT_NE(std::string_view(listener.error().what).find("no such address"),
            std::string_view::npos);
}

TEST(TcpTransport, UnknownHostNameBreaksTheStreamAndNotTheCaller) {
  const auto transport = std::move(*TcpTransport::create());
  const auto start = std::chrono::steady_clock::now();
  auto stream = transport->connect("no.such.host.invalid:1");
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(1)) << "connect() does not resolve";
  ASSERT_TRUE(stream);
  Sink sink;
  (*stream)->set_sink(&sink);
  Error error;
  EXPECT_TRUE(wait_until(*transport, [&] {
    char space[8];
    const auto bytes = (*stream)->read(space);
    if (!bytes) error = bytes.error();
    return !bytes;
  }));
  EXPECT_EQ(error.code, Code::unavailable);
}

// An address that takes nobody and refuses nobody: a listener whose queue is full.
class SilentAddress {
 public:
  SilentAddress() {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size_bytes = sizeof(address_);
    EXPECT_EQ(::bind(listener_, as_any(), sizeof(address_)), 0);
    EXPECT_EQ(::listen(listener_, 0), 0);
    EXPECT_EQ(::getsockname(listener_, as_any(), &size_bytes), 0);
    for (int& fd : fillers_) {
      fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      static_cast<void>(::connect(fd, as_any(), sizeof(address_)));
    }
  }
  ~SilentAddress() {
    for (const int fd : fillers_) ::close(fd);
    ::close(listener_);
  }
  [[nodiscard]] SocketAddress address() {
    return resolve_numeric({"127.0.0.1", std::to_string(ntohs(address_.sin_port))}).front();
  }

 private:
  [[nodiscard]] sockaddr* as_any() { return reinterpret_cast<sockaddr*>(&address_); }
  sockaddr_in address_{};
  int listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
  int fillers_[4] = {};
};

// A silent address of a name uses up the time of a dial: the next dial begins with another one, and
// goes on with that as long as it answers.
TEST(TcpTransport, ASilentAddressDoesNotHideTheOthersOfItsName) {
  const auto transport = std::move(*TcpTransport::create());
  Accepting accepting;
  auto listener = transport->listen("127.0.0.1:0", accepting);
  ASSERT_TRUE(listener);
  SilentAddress silent;
  const SocketAddress good = resolve_numeric(*split_address((*listener)->address())).front();
  const auto dial = [&] {
    auto stream = std::make_unique<TcpStream>(*transport, "two.example:1");
    stream->on_resolved({silent.address(), good});
    return stream;
  };
  {
    const auto first = dial();
    for (int i = 0; i < 10; ++i) transport->wait(milliseconds(10));
    EXPECT_TRUE(accepting.streams.empty());
  }
  for (std::size_t i = 1; i <= 3; ++i) {
    const auto later = dial();
    EXPECT_TRUE(wait_until(*transport, [&] { return accepting.streams.size() == i; }));
    for (int turn = 0; turn < 3; ++turn) transport->wait(milliseconds(1));
  }
}

TEST(TcpTransport, StreamClosedWhileItsNameIsResolvedIsForgotten) {
  const auto transport = std::move(*TcpTransport::create());
  for (int i = 0; i < 20; ++i) {
    auto stream = transport->connect("localhost:1");
    ASSERT_TRUE(stream);
    stream->reset();
    transport->wait(milliseconds(1));
  }
  SUCCEED();
}

TEST(TcpTransport, WakeEndsAWaitFromAnotherThread) {
  const auto transport = std::move(*TcpTransport::create());
  const auto start = std::chrono::steady_clock::now();
  std::thread waker([&] { transport->wake(); });
  transport->wait(seconds(20));
  waker.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(10));
}

TEST(TcpTransport, WriteToAPeerThatIsGoneIsAnErrorAndNoSignal) {
  const auto transport = std::move(*TcpTransport::create());
  Accepting accepting;
  auto listener = transport->listen("127.0.0.1:0", accepting);
  auto stream = transport->connect((*listener)->address());
  ASSERT_TRUE(wait_until(*transport, [&] { return !accepting.streams.empty(); }));
  accepting.streams.clear();
  const std::string_view parts[] = {"x"};
  EXPECT_TRUE(wait_until(*transport, [&] { return !(*stream)->write(parts); }));
}

}  // namespace
}  // namespace aspen::adapter::tcp
