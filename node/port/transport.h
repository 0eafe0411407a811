// Byte streams between nodes. A stream carries bytes in order and may break at any time, with what
// was written but not read yet lost; frames, proofs and reconnects are the cluster layer's
// business. TCP is one implementation, TLS over another transport and the memory of a simulator are
// others; all pass tests/contract/transport.
//
// Owner and thread: one actor owns a transport's listeners and streams, and all calls come from its
// thread, which is also where the sinks are called: from the wait of the poller that serves the
// transport, never from inside a call of this interface. Nothing here blocks.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "node/base/error.h"

namespace aspen {

class Stream;

// What a stream that encrypts and proves knows about its other side. It lives as long as the
// stream.
class StreamIdentity {
 public:
  virtual ~StreamIdentity() = default;
  // Bytes that both ends of this stream have and no other stream has, of one length: who proves
  // something over them cannot be relayed from another stream.
  [[nodiscard]] virtual const std::string& binding() const = 0;
  // Whether the other side's certificate is for this host name, IP address or node name.
  [[nodiscard]] virtual bool names(std::string_view name) const = 0;
  // The names that the certificate is for, for logs.
  [[nodiscard]] virtual std::string describe() const = 0;
};

// Told that a stream's state may have changed: it is connected, has bytes to read, has room to
// write, or has broken. It is told again only after a read or write gave less than was asked for:
// read until 0 or an error, write until all is taken or less than offered.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual void on_ready() = 0;
};

class Stream {
 public:
  // Closes; the sink is not called any more.
  virtual ~Stream() = default;

  // Whom to tell. Precondition: the sink outlives the stream or its replacement. A stream that has
  // something to tell already tells it to the new sink.
  virtual void set_sink(StreamSink* sink) = 0;

  // Bytes read into `space`, 0 if there are none now. Possible errors: connection_lost (the other
  // side closed or the stream broke; detail: errno), unavailable (it never was connected),
  // unauthenticated (one side refused the other's certificate, or there was none).
  [[nodiscard]] virtual Result<std::size_t> read(std::span<char> space) = 0;

  // Takes as much of the parts, in order, as there is room for now: 0 before it is connected.
  // Possible errors: as read().
  [[nodiscard]] virtual Result<std::size_t> write(std::span<const std::string_view> parts) = 0;

  // The other side's address, for logs.
  [[nodiscard]] virtual std::string peer_address() const = 0;

  // Null if the stream proves nothing about its other side, or has not done so yet: it has before
  // the first byte is read or taken.
  [[nodiscard]] virtual const StreamIdentity* identity() const { return nullptr; }
};

class ListenerSink {
 public:
  virtual ~ListenerSink() = default;
  virtual void on_accept(std::unique_ptr<Stream> stream) = 0;
};

class Listener {
 public:
  // Stops listening; accepted streams go on.
  virtual ~Listener() = default;
  // host:port, with the port that was given if 0 was asked for.
  [[nodiscard]] virtual std::string address() const = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // An empty host means all addresses, IPv4 and IPv6. The sink outlives the listener.
  // Possible errors: invalid_argument (not host:port), unavailable (in use, no such address;
  // detail: errno).
  [[nodiscard]] virtual Result<std::unique_ptr<Listener>> listen(const std::string& address,
                                                                 ListenerSink& sink) = 0;

  // Starts to connect; a failure shows at the first read or write after on_ready().
  // Possible errors: invalid_argument (not host:port), overloaded (too many files or requests).
  [[nodiscard]] virtual Result<std::unique_ptr<Stream>> connect(const std::string& address) = 0;
};

}  // namespace aspen
