// "host:port" taken apart, and socket addresses written as text.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "node/base/error.h"

namespace aspen::adapter::tcp {

struct HostPort {
  std::string host;  // without the brackets of an IPv6 address; may be empty
  std::string port;  // decimal, at most 65535
};

// Accepts host:port, :port, 1.2.3.4:port and [ipv6]:port. Possible errors: invalid_argument.
[[nodiscard]] Result<HostPort> split_address(std::string_view address);

// "host:port" again, with brackets where they are needed.
[[nodiscard]] std::string join_address(const HostPort& address);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size_bytes = 0;

  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
  [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] int family() const noexcept { return storage.ss_family; }
};

[[nodiscard]] std::uint16_t port_of(const SocketAddress& address) noexcept;
void set_port(SocketAddress& address, std::uint16_t port) noexcept;
[[nodiscard]] std::string to_text(const SocketAddress& address);

}  // namespace aspen::adapter::tcp
