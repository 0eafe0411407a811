#include "node/adapter/tcp/tcp_stream.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::adapter::tcp {

namespace {

constexpr std::uint32_t stream_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

void send_at_once(int fd) {
  const int on = 1;
  // Without it the link is slower, not wrong.
  static_cast<void>(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
}

static_assert(EAGAIN == EWOULDBLOCK);
bool would_block(int error) {
  return error == EAGAIN;
}

// A port of the ephemeral range that nobody listens on may be connected to itself by the kernel.
bool connected_to_itself(int fd) {
  SocketAddress own;
  SocketAddress peer;
  own.size_bytes = peer.size_bytes = sizeof(sockaddr_storage);
  if (::getsockname(fd, own.get(), &own.size_bytes) != 0) return false;
  if (::getpeername(fd, peer.get(), &peer.size_bytes) != 0) return false;
  return to_text(own) == to_text(peer);
}

}  // namespace

TcpStream::TcpStream(TcpTransport& transport, int fd, const SocketAddress& peer)
    : transport_(transport),
      key_(transport.add(*this)),
      fd_(fd),
      state_(State::connected),
      peer_address_(to_text(peer)) {
  ASPEN_ASSERT(fd >= 0);
  send_at_once(fd_);
  if (!transport_.watch(fd_, stream_events, key_)) {
    break_off(Code::unavailable, "tcp: the socket cannot be watched", errno);
  }
}

TcpStream::TcpStream(TcpTransport& transport, std::string address)
    : transport_(transport), key_(transport.add(*this)), peer_address_(std::move(address)) {}

TcpStream::~TcpStream() {
  close_file();
  transport_.remove(key_);
}

void TcpStream::close_file() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void TcpStream::dial(std::vector<SocketAddress> addresses) {
  ASPEN_ASSERT(state_ == State::resolving);
  addresses_ = std::move(addresses);
  std::reverse(addresses_.begin(), addresses_.end());
  dial_next(EHOSTUNREACH);
}

bool TcpStream::dial_one(const SocketAddress& address, int& error) {
  ASPEN_ASSERT(fd_ < 0);
  fd_ = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) {
    error = errno;
    return false;
  }
  send_at_once(fd_);
  const int connected = ::connect(fd_, address.get(), address.size_bytes);
  error = connected == 0 ? 0 : errno;
  if ((connected == 0 || error == EINPROGRESS) && transport_.watch(fd_, stream_events, key_)) {
    return true;
  }
  if (connected == 0 || error == EINPROGRESS) error = errno;
  close_file();
  return false;
}

void TcpStream::dial_next(int last_error) {
  state_ = State::connecting;
  while (!addresses_.empty()) {
    const SocketAddress address = addresses_.back();
    addresses_.pop_back();
    // epoll tells of the result, also of one that is there already.
    if (dial_one(address, last_error)) return;
  }
  break_off(Code::unavailable, "tcp: cannot connect", last_error);
}

void TcpStream::finish_connect() {
  ASPEN_ASSERT(state_ == State::connecting);
  int error = 0;
  socklen_t size_bytes = sizeof(error);
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size_bytes) != 0) error = errno;
  if (error == 0 && connected_to_itself(fd_)) error = ECONNREFUSED;
  if (error != 0) {
    close_file();
    return dial_next(error);
  }
  state_ = State::connected;
  addresses_.clear();
  transport_.dial_answered(peer_address_, began_);
  tell();
}

void TcpStream::break_off(Code code, const char* what, int error) {
  ASPEN_ASSERT(state_ != State::broken);
  close_file();
  state_ = State::broken;
  error_ = Error{code, what, static_cast<std::uint64_t>(error)};
  transport_.call_later(key_);
}

void TcpStream::tell() {
  if (sink_ != nullptr) sink_->on_ready();
}

void TcpStream::set_sink(StreamSink* sink) {
  sink_ = sink;
  if (sink != nullptr) transport_.call_later(key_);
}

void TcpStream::on_later() {
  tell();
}

void TcpStream::on_resolved(std::vector<SocketAddress> addresses) {
  ASPEN_ASSERT(state_ == State::resolving);
  if (addresses.empty()) return break_off(Code::unavailable, "tcp: the host name is not known", 0);
  began_ = transport_.begin_dial(peer_address_);
  const auto first = static_cast<std::ptrdiff_t>(began_ % addresses.size());
  std::rotate(addresses.begin(), addresses.begin() + first, addresses.end());
  dial(std::move(addresses));
}

void TcpStream::on_events(std::uint32_t events) {
  if (state_ == State::connecting && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    return finish_connect();
  }
  if (state_ != State::connected) return;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  tell();
}

Result<std::size_t> TcpStream::read(std::span<char> space) {
  ASPEN_ASSERT(!space.empty());
  if (state_ == State::broken) return broken();
  if (state_ != State::connected) return std::size_t{0};
  ssize_t n = 0;
  do {
    n = ::recv(fd_, space.data(), space.size(), 0);
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    const auto bytes = static_cast<std::size_t>(n);
    // The end came together with the last bytes and is not told again.
    if (bytes < space.size() && hung_up_) transport_.call_later(key_);
    return bytes;
  }
  if (n < 0 && would_block(errno)) return std::size_t{0};
  const int error = n == 0 ? 0 : errno;
  close_file();
  state_ = State::broken;
  error_ = Error{Code::connection_lost,
                 error == 0 ? "tcp: the other side closed" : "tcp: the connection broke",
                 static_cast<std::uint64_t>(error)};
  return broken();
}

Result<std::size_t> TcpStream::write(std::span<const std::string_view> parts) {
  if (state_ == State::broken) return broken();
  if (state_ != State::connected || parts.empty()) return std::size_t{0};
  std::array<iovec, limits::link_write_parts_max> vectors;
  const std::size_t count = std::min(parts.size(), vectors.size());
  for (std::size_t i = 0; i < count; ++i) {
    vectors[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  ssize_t n = 0;
  do {
    n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) return static_cast<std::size_t>(n);
  if (would_block(errno)) return std::size_t{0};
  // What the other side sent before it closed can still be read: read() will find the end.
  const int error = errno;
  if (error == EPIPE || error == ECONNRESET) {
    return fail(Code::connection_lost, "tcp: the other side closed",
                static_cast<std::uint64_t>(error));
  }
  close_file();
  state_ = State::broken;
  error_ =
      Error{Code::connection_lost, "tcp: the connection broke", static_cast<std::uint64_t>(error)};
  return broken();
}

}  // namespace aspen::adapter::tcp
