// What waits to be written to one stream. Heads and small payloads are gathered in a few large
// strings, large payloads are sent from where they lie, and one flush is one gathered write, so
// that all casts of a turn leave together. Frames leave in the order they came. Bulk messages stand
// apart: cut into parts, each of which leaves when nothing else waits, and no more of them than the
// other side's credit allows.
//
// Owner: a Link; its thread. Bound: limits::link_queue_bytes_max of casts, a little more for what
// keeps the link alive, and limits::link_bulk_queue_bytes_max of bulk; what is beyond is refused.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/port/transport.h"
#include "node/wire/cluster_codec.h"
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

  struct BulkItem {
    wire::CastType type = 0;
    GroupId group;
    Bytes payload;  // not empty
  };

  // False if the queue is full; nothing was taken then.
  [[nodiscard]] bool push(const Item& item, Kind kind);
  [[nodiscard]] bool push_bulk(BulkItem item);
  // Parts of bulk that have not begun to leave stay behind.
  void drop_bulk() noexcept;
  // So much of the bulk sent has arrived. False if that cannot be.
  [[nodiscard]] bool credit(std::size_t size_bytes) noexcept;
  // Frames that are encoded already: a handshake's. Bounded by the handshake itself.
  void push_encoded(std::string_view frames);

  // Writes until all is taken or the stream has no room. Gives the bytes taken.
  // Possible errors: those of Stream::write.
  [[nodiscard]] Result<std::size_t> flush(Stream& stream);

  // Without bulk that has not begun to leave.
  [[nodiscard]] std::size_t size_bytes() const noexcept { return size_bytes_; }
  // Nothing may be written now.
  [[nodiscard]] bool empty() const noexcept { return size_bytes_ == 0 && !bulk_ready(); }

 private:
  struct Segment {
    std::string text;
    Bytes shared;  // instead of the text
    [[nodiscard]] std::string_view view() const noexcept {
      return shared.empty() ? std::string_view(text) : shared.view();
    }
  };

  struct Bulk {
    BulkItem item;
    std::size_t offset = 0;  // of the next part
  };

  [[nodiscard]] bool bulk_ready() const noexcept;
  void take_bulk_part();
  [[nodiscard]] std::string& open_text();
  void consume(std::size_t size_bytes);
  void retire(Segment& segment);

  std::deque<Segment> segments_;
  std::vector<std::string> spare_;  // emptied strings, kept for their memory
  std::size_t front_bytes_taken_ = 0;
  std::size_t size_bytes_ = 0;
  std::deque<Bulk> bulk_;
  std::size_t bulk_bytes_ = 0;            // that have not begun to leave
  std::size_t bulk_in_flight_bytes_ = 0;  // not known to have arrived
};

}  // namespace aspen::cluster
