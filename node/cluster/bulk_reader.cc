#include "node/cluster/bulk_reader.h"

#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::cluster {

Result<std::optional<BulkReader::Message>> BulkReader::take(const Part& part) {
  const wire::BulkHead& head = part.head;
  ASPEN_ASSERT(head.offset < head.total_bytes);
  const auto refused = fail(Code::invalid_argument, "a part of a bulk message out of order");
  if (part.content.empty() || part.content.size() > head.total_bytes - head.offset) return refused;
  if (head.offset == 0) {
    if (open_.has_value()) return refused;
    open_ = Open{head, part.group, BytesBuilder(head.total_bytes)};
  }
  const bool follows = open_.has_value() && open_->head.type == head.type &&
                       open_->head.total_bytes == head.total_bytes && open_->group == part.group &&
                       open_->content.size() == head.offset;
  if (!follows) return refused;
  open_->content.append(part.content);
  uncredited_bytes_ += part.content.size();
  if (open_->content.left() > 0) return std::optional<Message>();
  ASPEN_ASSERT(open_->content.size() == head.total_bytes);
  Message whole{head.type, part.group, open_->content.finish()};
  open_.reset();
  return std::optional<Message>(std::move(whole));
}

std::optional<wire::BulkCredit> BulkReader::credit_due() const noexcept {
  // Less than that may stay untold: it leaves the other side credit for another part.
  if (uncredited_bytes_ < limits::link_bulk_report_bytes) return std::nullopt;
  return wire::BulkCredit{static_cast<std::uint32_t>(uncredited_bytes_)};
}

}  // namespace aspen::cluster
