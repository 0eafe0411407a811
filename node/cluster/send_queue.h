// What waits to be written to one stream. Heads and small payloads are gathered in a few large
// strings, large payloads are sent from where they lie, and one flush is one gathered write, so
// that all casts of a turn leave together. Frames leave in the order they came.
//
// Owner: a Link; its thread. Bound: limits::link_queue_bytes_max of casts, a little more for what
// keeps the link alive; a cast beyond it is refused.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/port/transport.h"
#include "node/wire/frame.h"

namespace aspen::cluster {

class SendQueue {
 public:
  enum class Kind : std::uint8_t { cast, control };

  struct Item {
    wire::FrameType type = wire::FrameType::cast;
    GroupId group;
    std::string_view meta;
    const Bytes& payload;
  };

  // False if the queue is full; nothing was taken then.
  [[nodiscard]] bool push(const Item& item, Kind kind);
  // Frames that are encoded already: a handshake's. Bounded by the handshake itself.
  void push_encoded(std::string_view frames);

  // Writes until all is taken or the stream has no room. Gives the bytes taken.
  // Possible errors: those of Stream::write.
  [[nodiscard]] Result<std::size_t> flush(Stream& stream);

  [[nodiscard]] std::size_t size_bytes() const noexcept { return size_bytes_; }
  [[nodiscard]] bool empty() const noexcept { return size_bytes_ == 0; }

 private:
  struct Segment {
    std::string text;
    Bytes shared;  // instead of the text
    [[nodiscard]] std::string_view view() const noexcept {
      return shared.empty() ? std::string_view(text) : shared.view();
    }
  };

  [[nodiscard]] std::string& open_text();
  void consume(std::size_t size_bytes);
  void retire(Segment& segment);

  std::deque<Segment> segments_;
  std::vector<std::string> spare_;  // emptied strings, kept for their memory
  std::size_t front_bytes_taken_ = 0;
  std::size_t size_bytes_ = 0;
};

}  // namespace aspen::cluster
