// Byte streams between the hosts of a simulated network, behind the same port as TCP. Everything
// happens in events of the simulator: bytes arrive in pieces, late, and in order within a stream.
//
// Faults: a delay drawn for each piece; a link cut in the middle of what is under way; a blocked
// direction, which keeps bytes and calls until it is opened, as a network does that retransmits;
// with both directions blocked a host has vanished without a word; a slow direction; a bit that
// flips on the way, unnoticed by a weak checksum.
//
// Owner: the simulator; it outlives all transports and streams. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "node/base/prng.h"
#include "node/base/time.h"
#include "node/port/transport.h"

namespace aspen::sim {

// Runs a function later; of two at the same time the first asked for comes first.
using Schedule = std::function<void(Duration, std::function<void()>)>;

struct NetworkTuning {
  Duration delay_min = std::chrono::microseconds(50);
  Duration delay_max = std::chrono::microseconds(500);
  std::size_t window_bytes = 256 * 1024;  // of a direction: written but not read
  // One piece of so many is delivered in two.
  std::uint64_t split_one_in = 8;
};

struct Connection;
class SimTransport;

class SimNetwork {
 public:
  SimNetwork(Schedule schedule, Prng prng, NetworkTuning tuning = {});
  ~SimNetwork();

  // The transport of a host, made at the first call. An address is "host:port".
  [[nodiscard]] Transport& host(const std::string& name);

  // Breaks all streams between the two: what is under way is cut at a random byte, both ends learn
  // it. New ones can be made.
  void cut(const std::string& a, const std::string& b);
  // From now on nothing goes from `from` to `to`; what was sent is kept.
  void block(const std::string& from, const std::string& to);
  void open(const std::string& from, const std::string& to);
  void open_all();
  // From now on each piece from `from` to `to` takes so much longer.
  void slow_down(const std::string& from, const std::string& to, Duration extra);
  // A bit of the next bytes that arrive from `from` at `to` is inverted.
  void corrupt_next(const std::string& from, const std::string& to);

  [[nodiscard]] std::uint64_t connections() const noexcept { return connections_made_; }
  [[nodiscard]] std::uint64_t bytes_delivered() const noexcept { return bytes_delivered_; }

 private:
  friend class SimTransport;
  friend class SimStream;
  friend class SimListener;

  void start(const std::shared_ptr<Connection>& connection);
  void send(const std::shared_ptr<Connection>& connection, int to, int kind, std::string bytes);
  void due(const std::shared_ptr<Connection>& connection, int to);
  void deliver(const std::shared_ptr<Connection>& connection, int to);
  void accept(const std::shared_ptr<Connection>& connection);
  void notify_later(const std::shared_ptr<Connection>& connection, int end);
  [[nodiscard]] bool blocked(const Connection& connection, int to) const;
  [[nodiscard]] Duration delay(const Connection& connection, int to);
  void corrupt(const Connection& connection, int to, std::string& bytes);

  Schedule schedule_;
  Prng prng_;
  NetworkTuning tuning_;
  std::map<std::string, std::unique_ptr<SimTransport>> hosts_;
  std::map<std::string, ListenerSink*> listeners_;  // by address
  using Way = std::pair<std::string, std::string>;  // from, to
  std::set<Way> blocked_;
  std::map<Way, Duration> slow_;
  std::set<Way> corrupt_;
  std::vector<std::weak_ptr<Connection>> live_;
  std::uint64_t connections_made_ = 0;
  std::uint64_t bytes_delivered_ = 0;
  std::uint16_t next_port_ = 40'000;
};

}  // namespace aspen::sim
