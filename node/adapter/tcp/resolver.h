// Host names to socket addresses without making the caller wait: getaddrinfo() runs on a few
// threads of its own. Numeric addresses are answered at once, by resolve_numeric().
//
// Owner: a TcpTransport. Thread: any one thread; answers are collected by it after the notice.
// Bound: limits::resolver_requests_max requests waiting; threads that are stuck in the system's
// resolver are left behind at the end, with nothing but memory of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "node/adapter/tcp/address.h"
#include "node/base/error.h"

namespace aspen::adapter::tcp {

struct Resolved {
  std::uint64_t key = 0;
  std::vector<SocketAddress> addresses;  // empty: the name is not known
};

// Empty if the host is not a numeric address.
[[nodiscard]] std::vector<SocketAddress> resolve_numeric(const HostPort& address);
// Blocks. Empty if there is none.
[[nodiscard]] std::vector<SocketAddress> resolve_blocking(const HostPort& address, int flags);

class Resolver {
 public:
  // `notice` is called on a thread of the resolver when there is something to collect.
  explicit Resolver(std::function<void()> notice);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Possible errors: overloaded.
  [[nodiscard]] Result<void> start(std::uint64_t key, const HostPort& address);
  [[nodiscard]] std::vector<Resolved> collect();

 private:
  struct Shared;
  static void run(const std::shared_ptr<Shared>& shared);
  std::shared_ptr<Shared> shared_;
};

}  // namespace aspen::adapter::tcp
