#include "tests/contract/sim_transport.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>

#include "node/base/assert.h"

namespace aspen::sim {

namespace {

enum Kind : int { call, answer, data, end, reset };

struct Piece {
  int kind = data;
  std::string bytes;
};

}  // namespace

// Both ends of one connection. End 0 called, end 1 was called.
struct Connection {
  struct End {
    std::string host;
    std::string address;
    StreamSink* sink = nullptr;
    bool held = false;  // a stream object stands for this end
    bool connected = false;
    bool ended = false;  // the other side has closed, after what has arrived
    bool tell_read = true;
    bool tell_write = true;
    Error error;  // set: broken

    // Towards this end.
    std::deque<Piece> under_way;
    std::size_t due = 0;     // pieces that came due while the direction was blocked
    std::size_t unread = 0;  // under way and arrived
    std::string arrived;
    std::size_t arrived_read = 0;
  };
  std::array<End, 2> ends;
};

namespace {

// From which host to which the bytes go that arrive at this end.
std::pair<std::string, std::string> way_of(const Connection& connection, int to) {
  return {connection.ends[static_cast<std::size_t>(1 - to)].host,
          connection.ends[static_cast<std::size_t>(to)].host};
}

}  // namespace

class SimListener final : public Listener {
 public:
  SimListener(SimNetwork& network, std::string address)
      : network_(network), address_(std::move(address)) {}
  ~SimListener() override { network_.listeners_.erase(address_); }
  [[nodiscard]] std::string address() const override { return address_; }

 private:
  SimNetwork& network_;
  std::string address_;
};

class SimStream final : public Stream {
 public:
  SimStream(SimNetwork& network, std::shared_ptr<Connection> connection, int end)
      : network_(network), connection_(std::move(connection)), end_(end) {
    own().held = true;
  }
  ~SimStream() override {
    own().held = false;
    own().sink = nullptr;
    if (own().error.code == Code::ok && !other().host.empty()) {
      network_.send(connection_, 1 - end_, end, {});
    }
  }

  void set_sink(StreamSink* sink) override {
    own().sink = sink;
    network_.notify_later(connection_, end_);
  }

  [[nodiscard]] Result<std::size_t> read(std::span<char> space) override {
    Connection::End& self = own();
    if (self.error.code != Code::ok) return tl::unexpected(self.error);
    const std::size_t bytes = std::min(space.size(), self.arrived.size() - self.arrived_read);
    std::copy_n(self.arrived.data() + self.arrived_read, bytes, space.data());
    self.arrived_read += bytes;
    if (self.arrived_read == self.arrived.size()) {
      self.arrived.clear();
      self.arrived_read = 0;
    }
    self.unread -= bytes;
    // Room is told of when there is much of it; otherwise pieces would get smaller and smaller.
    if (other().tell_write && self.unread <= network_.tuning_.window_bytes / 2) {
      other().tell_write = false;
      network_.notify_later(connection_, 1 - end_);
    }
    if (bytes == 0 && self.ended) {
      self.error = {Code::connection_lost, "sim: the other side closed", 0};
      return tl::unexpected(self.error);
    }
    if (bytes < space.size()) {
      self.tell_read = true;
      if (self.ended) network_.notify_later(connection_, end_);
    }
    return bytes;
  }

  [[nodiscard]] Result<std::size_t> write(std::span<const std::string_view> parts) override {
    Connection::End& self = own();
    if (self.error.code != Code::ok) return tl::unexpected(self.error);
    if (self.ended) return fail(Code::connection_lost, "sim: the other side closed", EPIPE);
    std::size_t offered = 0;
    for (const std::string_view part : parts) offered += part.size();
    std::size_t room = 0;
    if (self.connected) room = network_.tuning_.window_bytes - other().unread;
    std::string bytes;
    for (const std::string_view part : parts) {
      bytes.append(part.substr(0, std::min(part.size(), room - bytes.size())));
    }
    if (bytes.size() < offered) self.tell_write = true;
    const std::size_t taken = bytes.size();
    if (taken > 0) network_.send(connection_, 1 - end_, data, std::move(bytes));
    return taken;
  }

  [[nodiscard]] std::string peer_address() const override { return other().address; }

 private:
  [[nodiscard]] Connection::End& own() const {
    return connection_->ends[static_cast<std::size_t>(end_)];
  }
  [[nodiscard]] Connection::End& other() const {
    return connection_->ends[static_cast<std::size_t>(1 - end_)];
  }

  SimNetwork& network_;
  std::shared_ptr<Connection> connection_;
  int end_;
};

class SimTransport final : public Transport {
 public:
  SimTransport(SimNetwork& network, std::string host) : network_(network), host_(std::move(host)) {}

  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const std::string& address,
                                                         ListenerSink& sink) override {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos) return malformed();
    const std::string host = address.substr(0, colon);
    if (!host.empty() && host != host_) {
      return fail(Code::unavailable, "sim: this machine has no such address", EADDRNOTAVAIL);
    }
    std::string port = address.substr(colon + 1);
    if (port == "0") port = std::to_string(++network_.next_port_);
    const std::string full = host_ + ":" + port;
    if (!network_.listeners_.emplace(full, &sink).second) {
      return fail(Code::unavailable, "sim: the port is in use", EADDRINUSE);
    }
    return std::make_unique<SimListener>(network_, full);
  }

  [[nodiscard]] Result<std::unique_ptr<Stream>> connect(const std::string& address) override {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos || colon == 0) return malformed();
    auto connection = std::make_shared<Connection>();
    connection->ends[0].host = host_;
    connection->ends[0].address = host_ + ":" + std::to_string(++network_.next_port_);
    connection->ends[1].host = address.substr(0, colon);
    connection->ends[1].address = address;
    auto stream = std::make_unique<SimStream>(network_, connection, 0);
    network_.start(connection);
    return stream;
  }

 private:
  static tl::unexpected<Error> malformed() {
    return fail(Code::invalid_argument, "sim: expected host:port");
  }

  SimNetwork& network_;
  std::string host_;
};

SimNetwork::SimNetwork(Schedule schedule, Prng prng, NetworkTuning tuning)
    : schedule_(std::move(schedule)), prng_(prng), tuning_(tuning) {
  ASPEN_ASSERT(tuning_.delay_min <= tuning_.delay_max);
}

SimNetwork::~SimNetwork() = default;

Transport& SimNetwork::host(const std::string& name) {
  std::unique_ptr<SimTransport>& transport = hosts_[name];
  if (transport == nullptr) transport = std::make_unique<SimTransport>(*this, name);
  return *transport;
}

Duration SimNetwork::delay(const Connection& connection, int to) {
  const Duration delay(static_cast<std::int64_t>(
      prng_.between(static_cast<std::uint64_t>(tuning_.delay_min.count()),
                    static_cast<std::uint64_t>(tuning_.delay_max.count()))));
  if (slow_.empty()) return delay;
  const auto slow = slow_.find(way_of(connection, to));
  return slow == slow_.end() ? delay : delay + slow->second;
}

void SimNetwork::slow_down(const std::string& from, const std::string& to, Duration extra) {
  if (extra == Duration::zero()) {
    slow_.erase({from, to});
  } else {
    slow_[{from, to}] = extra;
  }
}

void SimNetwork::corrupt_next(const std::string& from, const std::string& to) {
  corrupt_.insert({from, to});
}

void SimNetwork::corrupt(const Connection& connection, int to, std::string& bytes) {
  if (corrupt_.empty() || bytes.empty() || corrupt_.erase(way_of(connection, to)) == 0) return;
  char& byte = bytes[prng_.below(bytes.size())];
  byte = static_cast<char>(byte ^ (1 << prng_.below(8)));
}

void SimNetwork::start(const std::shared_ptr<Connection>& connection) {
  std::erase_if(live_, [](const std::weak_ptr<Connection>& one) { return one.expired(); });
  live_.push_back(connection);
  ++connections_made_;
  send(connection, 1, call, {});
}

void SimNetwork::send(const std::shared_ptr<Connection>& connection, int to, int kind,
                      std::string bytes) {
  Connection::End& target = connection->ends[static_cast<std::size_t>(to)];
  target.unread += bytes.size();
  std::string rest;
  if (bytes.size() > 1 && prng_.chance(1, tuning_.split_one_in)) {
    rest = bytes.substr(1 + prng_.below(bytes.size() - 1));
    bytes.resize(bytes.size() - rest.size());
  }
  const auto enqueue = [&](std::string piece) {
    target.under_way.push_back({kind, std::move(piece)});
    schedule_(delay(*connection, to), [this, connection, to] { due(connection, to); });
  };
  enqueue(std::move(bytes));
  if (!rest.empty()) enqueue(std::move(rest));
}

bool SimNetwork::blocked(const Connection& connection, int to) const {
  return !blocked_.empty() && blocked_.contains(way_of(connection, to));
}

// Delays are drawn independently; what comes due delivers the oldest piece, so order holds.
void SimNetwork::due(const std::shared_ptr<Connection>& connection, int to) {
  Connection::End& target = connection->ends[static_cast<std::size_t>(to)];
  if (blocked(*connection, to)) {
    ++target.due;
    return;
  }
  deliver(connection, to);
}

void SimNetwork::accept(const std::shared_ptr<Connection>& connection) {
  const auto listener = listeners_.find(connection->ends[1].address);
  if (listener == listeners_.end()) return send(connection, 0, reset, {});
  connection->ends[1].connected = true;
  send(connection, 0, answer, {});
  listener->second->on_accept(std::make_unique<SimStream>(*this, connection, 1));
}

void SimNetwork::deliver(const std::shared_ptr<Connection>& connection, int to) {
  Connection::End& target = connection->ends[static_cast<std::size_t>(to)];
  if (target.under_way.empty()) return;  // a cut took it
  Piece piece = std::move(target.under_way.front());
  target.under_way.pop_front();
  if (piece.kind == call) return accept(connection);
  if (!target.held || target.error.code != Code::ok) return;
  bool tell = true;
  switch (piece.kind) {
    case answer:
      target.connected = true;
      break;
    case data:
      corrupt(*connection, to, piece.bytes);
      target.arrived += piece.bytes;
      bytes_delivered_ += piece.bytes.size();
      tell = std::exchange(target.tell_read, false);
      break;
    case end:
      target.ended = true;
      tell = std::exchange(target.tell_read, false);
      break;
    default:
      target.error = target.connected
                         ? Error{Code::connection_lost, "sim: the connection broke", ECONNRESET}
                         : Error{Code::unavailable, "sim: cannot connect", ECONNREFUSED};
  }
  if (tell && target.sink != nullptr) target.sink->on_ready();
}

void SimNetwork::notify_later(const std::shared_ptr<Connection>& connection, int end_number) {
  schedule_(Duration::zero(), [connection, end_number] {
    StreamSink* sink = connection->ends[static_cast<std::size_t>(end_number)].sink;
    if (sink != nullptr) sink->on_ready();
  });
}

void SimNetwork::cut(const std::string& a, const std::string& b) {
  for (const std::weak_ptr<Connection>& weak : live_) {
    const std::shared_ptr<Connection> connection = weak.lock();
    if (connection == nullptr) continue;
    const std::string& first = connection->ends[0].host;
    const std::string& second = connection->ends[1].host;
    if (!((first == a && second == b) || (first == b && second == a))) continue;
    for (int to = 0; to < 2; ++to) {
      Connection::End& target = connection->ends[static_cast<std::size_t>(to)];
      const bool called = std::any_of(target.under_way.begin(), target.under_way.end(),
                                      [](const Piece& piece) { return piece.kind == call; });
      if (called) continue;
      // Part of what was under way arrives: the cut falls into the middle of a frame.
      if (!target.under_way.empty() && target.under_way.front().kind == data) {
        std::string& bytes = target.under_way.front().bytes;
        bytes.resize(prng_.below(bytes.size() + 1));
        target.under_way.resize(1);
        deliver(connection, to);
      }
      target.under_way.clear();
      target.due = 0;
      send(connection, to, reset, {});
    }
  }
}

void SimNetwork::block(const std::string& from, const std::string& to) {
  blocked_.insert({from, to});
}

void SimNetwork::open(const std::string& from, const std::string& to) {
  if (blocked_.erase({from, to}) == 0) return;
  for (const std::weak_ptr<Connection>& weak : live_) {
    const std::shared_ptr<Connection> connection = weak.lock();
    if (connection == nullptr) continue;
    for (int end_number = 0; end_number < 2; ++end_number) {
      if (blocked(*connection, end_number)) continue;
      Connection::End& target = connection->ends[static_cast<std::size_t>(end_number)];
      for (; target.due > 0; --target.due) {
        schedule_(delay(*connection, end_number),
                  [this, connection, end_number] { due(connection, end_number); });
      }
    }
  }
}

void SimNetwork::open_all() {
  while (!blocked_.empty()) {
    const auto [from, to] = *blocked_.begin();
    open(from, to);
  }
}

}  // namespace aspen::sim
