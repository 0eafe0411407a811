#include "node/kv/overlay.h"

#include "node/base/assert.h"

namespace aspen::kv {

void Overlay::set(std::string_view key, const Pending& pending) {
  ASPEN_ASSERT(pending.meta.mod > 0);
  const auto at = entries_.lower_bound(key);
  if (at != entries_.end() && at->first == key) {
    ASPEN_ASSERT(at->second.meta.mod <= pending.meta.mod);
    undo_.emplace_back(at, at->second);
    at->second = pending;
    return;
  }
  undo_.emplace_back(entries_.emplace_hint(at, key, pending), std::nullopt);
}

void Overlay::roll_back() {
  // Backwards: a key that was set twice gets its oldest value last.
  for (auto step = undo_.rbegin(); step != undo_.rend(); ++step) {
    ASPEN_ASSERT(!entries_.empty());
    if (step->second) {
      step->first->second = *step->second;
    } else {
      entries_.erase(step->first);
    }
  }
  undo_.clear();
}

}  // namespace aspen::kv
