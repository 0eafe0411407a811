#include "node/adapter/tcp/tcp_listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "node/adapter/tcp/tcp_stream.h"
#include "node/base/assert.h"

namespace aspen::adapter::tcp {

namespace {

constexpr int backlog = 128;

tl::unexpected<Error> listen_error(int error) {
  const auto detail = static_cast<std::uint64_t>(error);
  switch (error) {
    case EADDRINUSE:
      return fail(Code::unavailable, "listen: the port is in use by another process", detail);
    case EADDRNOTAVAIL:
      return fail(Code::unavailable, "listen: this machine has no such address", detail);
    case EACCES:
      return fail(Code::unavailable, "listen: the port needs privileges", detail);
    default:
      return fail(Code::unavailable, "listen: the address cannot be used", detail);
  }
}

// All addresses: one IPv6 socket that takes IPv4 too, or IPv4 alone where there is no IPv6.
std::vector<SocketAddress> addresses_of(const HostPort& address) {
  if (!address.host.empty()) return resolve_blocking(address, AI_PASSIVE);
  const int probe = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe >= 0) ::close(probe);
  return resolve_numeric({probe >= 0 ? "::" : "0.0.0.0", address.port});
}

// The file, or -1 with errno set.
int listening_socket(const SocketAddress& address, bool both_families) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  const int only = both_families ? 0 : 1;
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
  if (address.family() == AF_INET6) {
    static_cast<void>(::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)));
  }
  if (::bind(fd, address.get(), address.size_bytes) == 0 && ::listen(fd, backlog) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

int spare_file() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

}  // namespace

class TcpListener::Socket final : public Source {
 public:
  Socket(TcpTransport& transport, int fd, ListenerSink& sink)
      : transport_(transport), key_(transport.add(*this)), fd_(fd), sink_(sink) {
    ASPEN_ASSERT(fd >= 0);
  }
  ~Socket() override {
    if (reserve_ >= 0) ::close(reserve_);
    ::close(fd_);
    transport_.remove(key_);
  }
  // Level-triggered: what one turn leaves is found by the next.
  [[nodiscard]] bool watch() { return transport_.watch(fd_, EPOLLIN, key_); }
  [[nodiscard]] std::uint16_t port() const {
    SocketAddress own;
    own.size_bytes = sizeof(own.storage);
    return ::getsockname(fd_, own.get(), &own.size_bytes) == 0 ? port_of(own) : std::uint16_t{0};
  }

  void on_events(std::uint32_t) override {
    for (int i = 0; i < accepts_per_wait_max; ++i) {
      SocketAddress peer;
      peer.size_bytes = sizeof(peer.storage);
      const int fd = ::accept4(fd_, peer.get(), &peer.size_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0 && (errno == EMFILE || errno == ENFILE)) return shed();
      if (fd < 0) return;
      sink_.on_accept(std::make_unique<TcpStream>(transport_, fd, peer));
    }
  }
  void on_resolved(std::vector<SocketAddress>) override {}
  void on_later() override {}

 private:
  // Out of files: the oldest caller is turned away with the file that was kept for it, instead of
  // being announced again and again.
  void shed() {
    if (reserve_ >= 0) ::close(std::exchange(reserve_, -1));
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) ::close(fd);
    reserve_ = spare_file();
  }

  TcpTransport& transport_;
  std::uint64_t key_;
  int fd_;
  int reserve_ = spare_file();
  ListenerSink& sink_;
};

TcpListener::TcpListener() = default;
TcpListener::~TcpListener() = default;

Result<std::unique_ptr<Listener>> TcpListener::open(TcpTransport& transport,
                                                    const HostPort& address, ListenerSink& sink) {
  std::vector<SocketAddress> addresses = addresses_of(address);
  if (addresses.empty()) return listen_error(EADDRNOTAVAIL);
  std::unique_ptr<TcpListener> listener(new TcpListener());
  std::uint16_t port = port_of(addresses.front());
  int last_error = 0;
  for (SocketAddress& one : addresses) {
    set_port(one, port);
    const int fd = listening_socket(one, address.host.empty());
    if (fd < 0) {
      last_error = errno;
      // A host may have a name of a family that its network lacks; a port in use is final.
      if (last_error == EADDRINUSE) return listen_error(last_error);
      continue;
    }
    auto socket = std::make_unique<Socket>(transport, fd, sink);
    if (!socket->watch()) return listen_error(errno);
    port = socket->port();
    listener->sockets_.push_back(std::move(socket));
  }
  if (listener->sockets_.empty()) return listen_error(last_error);
  listener->address_ = join_address({address.host, std::to_string(port)});
  return listener;
}

}  // namespace aspen::adapter::tcp
