#include "node/actor/asks.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::actor {

AskTable::Key AskTable::put(Node& continuation, Instant deadline) {
  ASPEN_ASSERT(!full());
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t number = free_.back();
  free_.pop_back();
  Slot& slot = slots_[number];
  ASPEN_ASSERT(slot.continuation == nullptr);
  slot.continuation = &continuation;
  slot.deadline = deadline;
  ++pending_;
  return {number, slot.generation};
}

Node* AskTable::release(std::size_t number) noexcept {
  Slot& slot = slots_[number];
  ASPEN_ASSERT(slot.continuation != nullptr);
  ASPEN_ASSERT(pending_ > 0);
  Node* const continuation = slot.continuation;
  slot.continuation = nullptr;
  ++slot.generation;
  free_.push_back(static_cast<std::uint32_t>(number));
  --pending_;
  return continuation;
}

Node* AskTable::take(Key key) noexcept {
  if (key.slot >= slots_.size()) return nullptr;
  const Slot& slot = slots_[key.slot];
  if (slot.generation != key.generation || slot.continuation == nullptr) return nullptr;
  return release(key.slot);
}

Node* AskTable::take_expired(Instant now, std::size_t& cursor) noexcept {
  for (; cursor < slots_.size(); ++cursor) {
    const Slot& slot = slots_[cursor];
    if (slot.continuation != nullptr && slot.deadline <= now) return release(cursor);
  }
  return nullptr;
}

Instant AskTable::next_deadline() const noexcept {
  Instant next = Instant::never();
  if (pending_ == 0) return next;
  for (const Slot& slot : slots_) {
    if (slot.continuation != nullptr) next = std::min(next, slot.deadline);
  }
  return next;
}

void AskTable::clear() noexcept {
  for (std::size_t number = 0; number < slots_.size(); ++number) {
    if (slots_[number].continuation != nullptr) drop_node(*release(number), Code::cancelled);
  }
  ASPEN_ASSERT(pending_ == 0);
}

}  // namespace aspen::actor
