#include "node/actor/timer.h"

#include "node/actor/cell.h"
#include "node/base/assert.h"

namespace aspen::actor {

bool TimerQueue::before(std::uint32_t a, std::uint32_t b) const noexcept {
  const Slot& x = slots_[a];
  const Slot& y = slots_[b];
  return x.at != y.at ? x.at < y.at : x.sequence < y.sequence;
}

void TimerQueue::place(std::uint32_t position, std::uint32_t slot) noexcept {
  heap_[position] = slot;
  slots_[slot].position = position;
}

void TimerQueue::sift_up(std::uint32_t position) noexcept {
  const std::uint32_t slot = heap_[position];
  while (position > 0) {
    const std::uint32_t parent = (position - 1) / 2;
    if (!before(slot, heap_[parent])) break;
    place(position, heap_[parent]);
    position = parent;
  }
  place(position, slot);
}

void TimerQueue::sift_down(std::uint32_t position) noexcept {
  const auto size = static_cast<std::uint32_t>(heap_.size());
  ASPEN_ASSERT(position < size);
  const std::uint32_t slot = heap_[position];
  while (true) {
    std::uint32_t child = 2 * position + 1;
    if (child >= size) break;
    if (child + 1 < size && before(heap_[child + 1], heap_[child])) ++child;
    if (!before(heap_[child], slot)) break;
    place(position, heap_[child]);
    position = child;
  }
  place(position, slot);
}

void TimerQueue::remove(std::uint32_t position) noexcept {
  ASPEN_ASSERT(position < heap_.size());
  const std::uint32_t gone = heap_[position];
  ASPEN_ASSERT(slots_[gone].position == position);
  slots_[gone].position = none;
  const std::uint32_t moved = heap_.back();
  heap_.pop_back();
  if (moved == gone) return;
  place(position, moved);
  sift_up(position);
  sift_down(slots_[moved].position);
}

void TimerQueue::insert(std::uint32_t slot) {
  ASPEN_ASSERT(slots_[slot].position == none);
  slots_[slot].sequence = ++sequence_;
  heap_.push_back(slot);
  sift_up(static_cast<std::uint32_t>(heap_.size() - 1));
}

TimerId TimerQueue::arm(const Plan& plan, std::unique_ptr<TimerSource> source) {
  ASPEN_ASSERT(source != nullptr);
  ASPEN_ASSERT(plan.period >= Duration::zero());
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t number = free_.back();
  free_.pop_back();
  Slot& slot = slots_[number];
  slot.owner = &plan.owner;
  slot.source = std::move(source);
  slot.at = plan.at;
  slot.period = plan.period;
  slot.in_mailbox = false;
  insert(number);
  return {number, slot.generation};
}

bool TimerQueue::exists(TimerId id) const noexcept {
  return id.generation != 0 && id.slot < slots_.size() &&
         slots_[id.slot].generation == id.generation && slots_[id.slot].owner != nullptr;
}

void TimerQueue::release(std::uint32_t number) noexcept {
  Slot& slot = slots_[number];
  ASPEN_ASSERT(slot.owner != nullptr);
  if (slot.position != none) remove(slot.position);
  slot.owner->timer_released();
  slot.owner = nullptr;
  slot.source.reset();
  if (++slot.generation == 0) slot.generation = 1;
  free_.push_back(number);
}

void TimerQueue::cancel(TimerId id) noexcept {
  if (exists(id)) release(id.slot);
}

void TimerQueue::cancel_all(const Cell& owner) noexcept {
  for (std::uint32_t number = 0; number < slots_.size(); ++number) {
    if (slots_[number].owner == &owner) release(number);
  }
}

bool TimerQueue::deliver(TimerId id) noexcept {
  if (!exists(id)) return false;
  Slot& slot = slots_[id.slot];
  ASPEN_ASSERT(slot.in_mailbox);
  slot.in_mailbox = false;
  if (slot.period == Duration::zero()) release(id.slot);
  return true;
}

Instant TimerQueue::next() const noexcept {
  return heap_.empty() ? Instant::never() : slots_[heap_.front()].at;
}

bool TimerQueue::fire_one(Instant now) noexcept {
  if (heap_.empty()) return false;
  const std::uint32_t number = heap_.front();
  Slot& slot = slots_[number];
  ASPEN_ASSERT(slot.owner != nullptr);
  if (slot.at > now) return false;
  remove(0);
  if (slot.period > Duration::zero()) {
    const std::int64_t missed = (now - slot.at) / slot.period;
    slot.at += slot.period * (missed + 1);
    ASPEN_ASSERT(slot.at > now);
    insert(number);
    if (slot.in_mailbox) return true;
  }
  slot.in_mailbox = true;
  slot.owner->push(slot.source->make({number, slot.generation}));
  return true;
}

}  // namespace aspen::actor
