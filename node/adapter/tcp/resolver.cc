#include "node/adapter/tcp/resolver.h"

#include <netdb.h>
#include <strings.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "node/base/limits.h"

namespace aspen::adapter::tcp {

namespace {

constexpr std::size_t threads_max = 4;
constexpr std::size_t addresses_max = 16;

// A name that is the loopback address by itself: neither a name server nor a hosts file, which a
// minimal container lacks, has a say in it (RFC 6761, 6.3).
bool is_loopback_name(const HostPort& address) {
  return ::strcasecmp(address.host.c_str(), "localhost") == 0;
}

std::vector<SocketAddress> loopback(const std::string& port) {
  std::vector<SocketAddress> both = resolve_numeric({"127.0.0.1", port});
  for (const SocketAddress& one : resolve_numeric({"::1", port})) both.push_back(one);
  return both;
}

}  // namespace

std::vector<SocketAddress> resolve_blocking(const HostPort& address, int flags) {
  const bool numeric = (flags & AI_NUMERICHOST) != 0;
  if (!numeric && is_loopback_name(address)) return loopback(address.port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const char* host = address.host.empty() ? nullptr : address.host.c_str();
  if (::getaddrinfo(host, address.port.c_str(), &hints, &list) != 0) return {};
  std::vector<SocketAddress> addresses;
  for (const addrinfo* at = list; at != nullptr && addresses.size() < addresses_max;
       at = at->ai_next) {
    SocketAddress one;
    std::memcpy(&one.storage, at->ai_addr, at->ai_addrlen);
    one.size_bytes = at->ai_addrlen;
    addresses.push_back(one);
  }
  ::freeaddrinfo(list);
  return addresses;
}

std::vector<SocketAddress> resolve_numeric(const HostPort& address) {
  return resolve_blocking(address, AI_NUMERICHOST);
}

struct Resolver::Shared {
  std::mutex mutex;
  std::condition_variable work;
  std::deque<std::pair<std::uint64_t, HostPort>> waiting;
  std::vector<Resolved> done;
  std::size_t threads = 0;
  std::size_t idle = 0;
  bool stopped = false;
  std::function<void()> notice;
};

Resolver::Resolver(std::function<void()> notice) : shared_(std::make_shared<Shared>()) {
  shared_->notice = std::move(notice);
}

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stopped = true;
  shared_->notice = nullptr;
  shared_->work.notify_all();
}

void Resolver::run(const std::shared_ptr<Shared>& shared) {
  std::unique_lock lock(shared->mutex);
  while (!shared->stopped) {
    if (shared->waiting.empty()) {
      ++shared->idle;
      shared->work.wait(lock);
      --shared->idle;
      continue;
    }
    const auto [key, address] = std::move(shared->waiting.front());
    shared->waiting.pop_front();
    lock.unlock();
    std::vector<SocketAddress> addresses = resolve_blocking(address, AI_ADDRCONFIG);
    lock.lock();
    if (shared->stopped) return;
    shared->done.push_back({key, std::move(addresses)});
    // Under the lock, so that it is not called any more once the destructor has returned.
    shared->notice();
  }
}

Result<void> Resolver::start(std::uint64_t key, const HostPort& address) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->waiting.size() + shared_->done.size() >= limits::resolver_requests_max) {
    return fail(Code::overloaded, "resolver: too many requests");
  }
  shared_->waiting.emplace_back(key, address);
  if (shared_->idle == 0 && shared_->threads < threads_max) {
    ++shared_->threads;
    // A thread cannot be called back from getaddrinfo(), and the end of the process must not wait
    // for a name server.
    std::thread([shared = shared_] { run(shared); }).detach();
  }
  shared_->work.notify_one();
  return {};
}

std::vector<Resolved> Resolver::collect() {
  const std::lock_guard lock(shared_->mutex);
  return std::exchange(shared_->done, {});
}

}  // namespace aspen::adapter::tcp
