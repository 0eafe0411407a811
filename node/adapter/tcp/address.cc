#include "node/adapter/tcp/address.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <charconv>

#include "node/base/limits.h"

namespace aspen::adapter::tcp {

namespace {

bool is_port(std::string_view text) {
  unsigned int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value <= 65535;
}

}  // namespace

Result<HostPort> split_address(std::string_view address) {
  const auto malformed = [] {
    return fail(Code::invalid_argument, "address: expected host:port or [ipv6]:port");
  };
  if (address.size() > limits::address_bytes_max) {
    return fail(Code::invalid_argument, "address: too long", address.size());
  }
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return malformed();
  std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  if (!is_port(port)) return malformed();
  if (!host.empty() && host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return malformed();
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return malformed();
  }
  if (std::any_of(host.begin(), host.end(), [](char c) { return c <= ' ' || c == '/'; })) {
    return malformed();
  }
  return HostPort{std::string(host), std::string(port)};
}

std::string join_address(const HostPort& address) {
  const bool brackets = address.host.find(':') != std::string::npos;
  return (brackets ? "[" + address.host + "]" : address.host) + ":" + address.port;
}

std::uint16_t port_of(const SocketAddress& address) noexcept {
  if (address.family() == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(address.get())->sin_port);
}

void set_port(SocketAddress& address, std::uint16_t port) noexcept {
  if (address.family() == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address.get())->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(address.get())->sin_port = htons(port);
  }
}

std::string to_text(const SocketAddress& address) {
  char host[NI_MAXHOST];
  const int failed = ::getnameinfo(address.get(), address.size_bytes, host, sizeof(host), nullptr,
                                   0, NI_NUMERICHOST);
  if (failed != 0) return "unknown";
  std::string text(host);
  // An IPv4 peer of a dual listener reads as people know it.
  if (text.starts_with("::ffff:") && text.find('.') != std::string::npos) text.erase(0, 7);
  return join_address({text, std::to_string(port_of(address))});
}

}  // namespace aspen::adapter::tcp
