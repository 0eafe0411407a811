#include "node/adapter/tcp/tcp_transport.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>
#include <utility>

#include "node/adapter/tcp/tcp_listener.h"
#include "node/adapter/tcp/tcp_stream.h"
#include "node/base/assert.h"

namespace aspen::adapter::tcp {

namespace {

// No place has this number.
constexpr std::uint64_t wake_key = UINT64_MAX;

int to_milliseconds(Duration longest) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(longest).count();
  return ms > INT_MAX ? INT_MAX : static_cast<int>(ms);
}

}  // namespace

Result<std::unique_ptr<TcpTransport>> TcpTransport::create() {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return fail(Code::unavailable, "tcp: epoll", static_cast<std::uint64_t>(errno));
  const int event = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (event < 0) {
    const auto error = static_cast<std::uint64_t>(errno);
    ::close(epoll);
    return fail(Code::unavailable, "tcp: eventfd", error);
  }
  std::unique_ptr<TcpTransport> transport(new TcpTransport(epoll, event));
  if (!transport->watch(event, EPOLLIN | EPOLLET, wake_key)) {
    return fail(Code::unavailable, "tcp: epoll", static_cast<std::uint64_t>(errno));
  }
  return transport;
}

TcpTransport::TcpTransport(int epoll, int event)
    : epoll_(epoll), event_(event), resolver_([this] { wake(); }) {}

TcpTransport::~TcpTransport() {
  ASPEN_ASSERT(free_places_.size() == places_.size());
  ::close(event_);
  ::close(epoll_);
}

std::uint64_t TcpTransport::add(Source& source) {
  std::uint32_t number = static_cast<std::uint32_t>(places_.size());
  if (free_places_.empty()) {
    places_.emplace_back();
  } else {
    number = free_places_.back();
    free_places_.pop_back();
  }
  ASPEN_ASSERT(places_[number].source == nullptr);
  places_[number].source = &source;
  return std::uint64_t{places_[number].generation} << 32 | number;
}

void TcpTransport::remove(std::uint64_t key) noexcept {
  ASPEN_ASSERT(find(key) != nullptr);
  Place& place = places_[static_cast<std::uint32_t>(key)];
  place.source = nullptr;
  ++place.generation;
  free_places_.push_back(static_cast<std::uint32_t>(key));
}

Source* TcpTransport::find(std::uint64_t key) noexcept {
  const auto number = static_cast<std::uint32_t>(key);
  if (number >= places_.size()) return nullptr;
  const Place& place = places_[number];
  return place.generation == key >> 32 ? place.source : nullptr;
}

bool TcpTransport::watch(int fd, std::uint32_t events, std::uint64_t key) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void TcpTransport::call_later(std::uint64_t key) {
  later_.push_back(key);
}

Result<std::unique_ptr<Listener>> TcpTransport::listen(const std::string& address,
                                                       ListenerSink& sink) {
  const Result<HostPort> parts = split_address(address);
  if (!parts) return tl::unexpected(parts.error());
  return TcpListener::open(*this, *parts, sink);
}

Result<std::unique_ptr<Stream>> TcpTransport::connect(const std::string& address) {
  const Result<HostPort> parts = split_address(address);
  if (!parts) return tl::unexpected(parts.error());
  if (parts->host.empty() || parts->port == "0") {
    return fail(Code::invalid_argument, "address: expected a host and a port to connect to");
  }
  auto stream = std::make_unique<TcpStream>(*this, address);
  std::vector<SocketAddress> numeric = resolve_numeric(*parts);
  if (!numeric.empty()) {
    stream->dial(std::move(numeric));
    return stream;
  }
  const Result<void> started = resolver_.start(stream->key(), *parts);
  if (!started) return tl::unexpected(started.error());
  return stream;
}

void TcpTransport::wake() noexcept {
  const std::uint64_t one = 1;
  // Full means that a wake is pending already.
  static_cast<void>(!::write(event_, &one, sizeof(one)));
}

int TcpTransport::wait_events(Duration longest) noexcept {
  ASPEN_ASSERT(longest >= Duration::zero());
  std::array<epoll_event, events_per_wait_max> events;
  int count = 0;
  const timespec precise{.tv_sec = 0, .tv_nsec = longest.count()};
  const bool short_wait = longest > Duration::zero() && longest < std::chrono::milliseconds(10);
  count = short_wait
              ? ::epoll_pwait2(epoll_, events.data(), events_per_wait_max, &precise, nullptr)
              : ::epoll_wait(epoll_, events.data(), events_per_wait_max, to_milliseconds(longest));
  if (count < 0 && errno == ENOSYS) {
    count = ::epoll_wait(epoll_, events.data(), events_per_wait_max, to_milliseconds(longest));
  }
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == wake_key) {
      std::uint64_t wakes = 0;
      static_cast<void>(!::read(event_, &wakes, sizeof(wakes)));
      serve_resolver();
    } else if (Source* source = find(event.data.u64)) {
      source->on_events(event.events);
    }
  }
  return count;
}

void TcpTransport::serve_resolver() {
  for (Resolved& resolved : resolver_.collect()) {
    if (Source* source = find(resolved.key)) source->on_resolved(std::move(resolved.addresses));
  }
}

std::size_t TcpTransport::begin_dial(const std::string& name) {
  if (dials_.size() >= dialled_names_max && !dials_.contains(name)) dials_.clear();
  return dials_[name]++;
}

void TcpTransport::dial_answered(const std::string& name, std::size_t began) {
  const auto found = dials_.find(name);
  if (found != dials_.end()) found->second = began;
}

void TcpTransport::wait(Duration longest) {
  static_cast<void>(wait_events(later_.empty() ? longest : Duration::zero()));
  // What is called may ask to be called again; that is for the next wait.
  calling_.clear();
  std::swap(calling_, later_);
  for (const std::uint64_t key : calling_) {
    if (Source* source = find(key)) source->on_later();
  }
}

}  // namespace aspen::adapter::tcp
