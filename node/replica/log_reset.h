// The log's part of a snapshot that was taken over.
#pragma once

#include "node/base/assert.h"
#include "node/port/log_store.h"
#include "node/raft/core.h"

namespace aspen::replica {

[[nodiscard]] inline LogReset log_reset(const raft::SnapshotMeta& meta) {
  ASPEN_ASSERT(meta.id.index.value > 0);
  LogReset reset{meta.id, std::nullopt};
  if (meta.config.config.empty()) return reset;
  ASPEN_ASSERT(meta.config.id.index <= meta.id.index);
  reset.config = Entry{meta.config.id, EntryKind::config, Bytes(encode(meta.config.config))};
  return reset;
}

}  // namespace aspen::replica
