// TCP by epoll: the transport and the poller that serves it in one object. Sinks are called from
// wait() alone. Sockets do not block, send small writes at once and never raise SIGPIPE. A turn of
// wait() serves at most events_per_wait_max sockets and accepts_per_wait_max new streams.
//
// Owner: the assembly; it outlives all listeners and streams made of it, and those are used on the
// thread that calls wait(). wake() is for any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/adapter/tcp/resolver.h"
#include "node/base/error.h"
#include "node/port/poller.h"
#include "node/port/transport.h"

namespace aspen::adapter::tcp {

inline constexpr int events_per_wait_max = 128;
inline constexpr int accepts_per_wait_max = 16;
// Names whose dials are remembered; beyond that all are forgotten.
inline constexpr std::size_t dialled_names_max = 1024;

class TcpStream;
class TcpListener;

// What epoll and the resolver tell about.
class Source {
 public:
  virtual ~Source() = default;
  virtual void on_events(std::uint32_t events) = 0;
  virtual void on_resolved(std::vector<SocketAddress> addresses) = 0;
  // Asked for by call_later().
  virtual void on_later() = 0;
};

class TcpTransport final : public Transport, public Poller {
 public:
  // Possible errors: unavailable (out of files; detail: errno).
  [[nodiscard]] static Result<std::unique_ptr<TcpTransport>> create();
  ~TcpTransport() override;
  TcpTransport(const TcpTransport&) = delete;
  TcpTransport& operator=(const TcpTransport&) = delete;

  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const std::string& address,
                                                         ListenerSink& sink) override;
  [[nodiscard]] Result<std::unique_ptr<Stream>> connect(const std::string& address) override;

  void wait(Duration longest) override;
  void wake() noexcept override;

 private:
  friend class TcpStream;
  friend class TcpListener;

  // A source's place; its number and generation are what epoll, resolver and the list of calls
  // keep, so that a source that is gone is never called.
  struct Place {
    Source* source = nullptr;
    std::uint32_t generation = 0;
  };

  TcpTransport(int epoll, int event);
  [[nodiscard]] std::uint64_t add(Source& source);
  void remove(std::uint64_t key) noexcept;
  [[nodiscard]] Source* find(std::uint64_t key) noexcept;
  // False with errno set.
  [[nodiscard]] bool watch(int fd, std::uint32_t events, std::uint64_t key) noexcept;
  void call_later(std::uint64_t key);
  [[nodiscard]] int wait_events(Duration longest) noexcept;
  void serve_resolver();
  // Which address of a name a dial begins with: the next one at each dial, so that one that is
  // silent does not hide the others, until one has answered.
  [[nodiscard]] std::size_t begin_dial(const std::string& name);
  void dial_answered(const std::string& name, std::size_t began);

  int epoll_;
  int event_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_places_;
  std::vector<std::uint64_t> later_;
  std::vector<std::uint64_t> calling_;
  std::map<std::string, std::size_t> dials_;
  Resolver resolver_;
};

}  // namespace aspen::adapter::tcp
