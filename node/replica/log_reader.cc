#include "node/replica/log_reader.h"

#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::replica {

void LogReader::on(ReadLog&& message, Context&) noexcept {
  const raft::AppendSpec& spec = message.spec;
  ASPEN_ASSERT(spec.lo <= spec.hi);
  LogRead read{parts_.boot, message.to, spec, {}};
  // As much as one append may hold: the peer's answer says how far it came.
  Result<std::vector<Entry>> entries = parts_.log->read(spec.lo, spec.hi, limits::append_bytes_max);
  if (entries && !entries->empty()) {
    ASPEN_ASSERT(entries->front().id.index == spec.lo);
    ASPEN_ASSERT(entries->back().id.index <= spec.hi);
    read.entries = std::move(*entries);
  }
  // The RaftActor's mailbox has room for its own few reads, or forgets them with its boot.
  ASPEN_MAYBE(parts_.raft.tell(std::move(read)).has_value());
}

}  // namespace aspen::replica
