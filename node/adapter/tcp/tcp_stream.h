// One TCP connection, being resolved, being connected, connected or broken.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "node/adapter/tcp/address.h"
#include "node/adapter/tcp/tcp_transport.h"

namespace aspen::adapter::tcp {

class TcpStream final : public Stream, public Source {
 public:
  // A connection accepted; takes the file.
  TcpStream(TcpTransport& transport, int fd, const SocketAddress& peer);
  // One to be made; `address` is for logs until it is known better.
  TcpStream(TcpTransport& transport, std::string address);
  ~TcpStream() override;

  // Dials the addresses one after the other until one answers. A silent one takes all the time its
  // owner has: a name's next dial begins with the next address.
  void dial(std::vector<SocketAddress> addresses);
  [[nodiscard]] std::uint64_t key() const noexcept { return key_; }

  void set_sink(StreamSink* sink) override;
  [[nodiscard]] Result<std::size_t> read(std::span<char> space) override;
  [[nodiscard]] Result<std::size_t> write(std::span<const std::string_view> parts) override;
  [[nodiscard]] std::string peer_address() const override { return peer_address_; }

  void on_events(std::uint32_t events) override;
  void on_resolved(std::vector<SocketAddress> addresses) override;
  void on_later() override;

 private:
  //  resolving -> connecting -> connected -> broken
  //       \___________\____________________/
  enum class State : std::uint8_t { resolving, connecting, connected, broken };

  void dial_next(int last_error);
  [[nodiscard]] bool dial_one(const SocketAddress& address, int& error);
  void finish_connect();
  void break_off(Code code, const char* what, int error);
  void close_file() noexcept;
  void tell();
  [[nodiscard]] tl::unexpected<Error> broken() const noexcept {
    return tl::unexpected<Error>(error_);
  }

  TcpTransport& transport_;
  std::uint64_t key_;
  int fd_ = -1;
  State state_ = State::resolving;
  bool hung_up_ = false;  // epoll has told, and does not tell again, that there will be no more
  StreamSink* sink_ = nullptr;
  std::vector<SocketAddress> addresses_;  // still to be tried, last first
  std::size_t began_ = 0;                 // of a name: the number of the address tried first
  std::string peer_address_;
  Error error_;
};

}  // namespace aspen::adapter::tcp
