// Puts bulk messages together from their parts: one at a time, as they come in order. Memory of the
// message under way is taken at its first part: at most limits::frame_payload_bytes_max.
//
// Owner: a Link; its thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/wire/cluster_codec.h"

namespace aspen::cluster {

class BulkReader {
 public:
  struct Part {
    wire::BulkHead head;
    GroupId group;
    std::string_view content;
  };
  struct Message {
    wire::CastType type = 0;
    GroupId group;
    Bytes payload;
  };

  // The message, if this was its last part. Possible errors: invalid_argument (a part that does not
  // follow the former one).
  [[nodiscard]] Result<std::optional<Message>> take(const Part& part);
  // What has to be credited to the other side, if that is enough to tell it; credited() then says
  // that it was told.
  [[nodiscard]] std::optional<wire::BulkCredit> credit_due() const noexcept;
  void credited() noexcept { uncredited_bytes_ = 0; }

 private:
  struct Open {
    wire::BulkHead head;  // of the first part
    GroupId group;
    BytesBuilder content;
  };

  std::optional<Open> open_;
  std::size_t uncredited_bytes_ = 0;
};

}  // namespace aspen::cluster
