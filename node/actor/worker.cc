#include "node/actor/worker.h"

#include "node/actor/cell.h"
#include "node/actor/system.h"
#include "node/base/assert.h"

namespace aspen::actor {

void RunQueue::push(Cell& cell) {
  if (size_ == ring_.size()) {
    std::vector<Cell*> larger(2 * ring_.size());
    for (std::size_t i = 0; i < size_; ++i) larger[i] = at(i);
    ring_.swap(larger);
    first_ = 0;
  }
  ASPEN_ASSERT(size_ < ring_.size());
  at(size_++) = &cell;
}

Cell& RunQueue::take(std::size_t position) noexcept {
  ASPEN_ASSERT(position < size_);
  Cell* const taken = at(position);
  at(position) = at(0);
  first_ = (first_ + 1) & (ring_.size() - 1);
  --size_;
  ASPEN_ASSERT(taken != nullptr);
  return *taken;
}

void Worker::hand_over(Cell& cell) noexcept {
  if (inbox_.push(cell)) {
    ASPEN_ASSERT(poller_ != nullptr);
    poller_->wake();
  }
}

void Worker::collect() noexcept {
  Cell* cell = inbox_.take();
  while (cell != nullptr) {
    Cell* const later = cell->next.load(std::memory_order_relaxed);
    cell->set_handed_over();
    if (cell->schedule()) runnable_.push(*cell);
    cell = later;
  }
}

void Worker::run(std::size_t position, std::size_t limit) noexcept {
  ASPEN_ASSERT(current() == this);
  ASPEN_ASSERT(limit > 0 && limit <= limits::turn_messages_max);
  Cell& cell = runnable_.take(position);
  now_known_ = false;
  if (cell.turn(limit) || !cell.rest()) runnable_.push(cell);
}

void Worker::fire_timers(Instant now) noexcept {
  ASPEN_ASSERT(current() == this);
  now_known_ = false;
  while (timers_.fire_one(now)) {
    // Each timer fires at most once for an instant: a periodic one moves behind it.
  }
}

Instant Worker::now() noexcept {
  if (!now_known_) {
    now_ = system_.now();
    now_known_ = true;
  }
  return now_;
}

}  // namespace aspen::actor
