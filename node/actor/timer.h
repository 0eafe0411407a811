// Timers of the actors of one worker. A timer delivers a message to the actor that made it; the
// message has its priority and does not count against the mailbox's capacity. A cancelled timer's
// message is never handled, not even if it was in the mailbox already. A periodic timer keeps its
// rate without drift and has at most one message in the mailbox: what is missed is left out.
//
// Thread: the worker's. Bound: limits::actor_timers_max per actor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "node/actor/mailbox.h"
#include "node/base/time.h"

namespace aspen::actor {

struct TimerId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;  // 0: none
  friend bool operator==(const TimerId&, const TimerId&) noexcept = default;
};

// What a fired timer puts into the mailbox.
class TimerSource {
 public:
  virtual ~TimerSource() = default;
  // A node for the timer's actor, its order and generation set.
  [[nodiscard]] virtual Node& make(TimerId id) noexcept = 0;
};

class TimerQueue {
 public:
  TimerQueue() = default;
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  struct Plan {
    Cell& owner;
    Instant at;
    Duration period;  // zero: once
  };
  // `make(id)` gives a node for the owner when the timer fires. Allocates when it grows.
  [[nodiscard]] TimerId arm(const Plan& plan, std::unique_ptr<TimerSource> source);
  // Does nothing if there is no such timer any more.
  void cancel(TimerId id) noexcept;
  void cancel_all(const Cell& owner) noexcept;
  // The message of the timer has arrived. False if the timer was cancelled meanwhile. A timer that
  // fires once is gone afterwards.
  [[nodiscard]] bool deliver(TimerId id) noexcept;
  [[nodiscard]] bool exists(TimerId id) const noexcept;

  // When the next timer fires; Instant::never() if none does.
  [[nodiscard]] Instant next() const noexcept;
  // Fires one timer that is due at `now`; false if none is.
  bool fire_one(Instant now) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  struct Slot {
    Cell* owner = nullptr;
    std::unique_ptr<TimerSource> source;
    Instant at;
    Duration period{};
    std::uint64_t sequence = 0;  // of equal instants the one armed first fires first
    std::uint32_t generation = 1;
    std::uint32_t position = none;  // in the heap; none: fired, or free
    bool in_mailbox = false;
  };

  [[nodiscard]] bool before(std::uint32_t a, std::uint32_t b) const noexcept;
  void place(std::uint32_t position, std::uint32_t slot) noexcept;
  void sift_up(std::uint32_t position) noexcept;
  void sift_down(std::uint32_t position) noexcept;
  void remove(std::uint32_t position) noexcept;
  void insert(std::uint32_t slot);
  void release(std::uint32_t slot) noexcept;

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> heap_;  // slots by (at, sequence)
  std::uint64_t sequence_ = 0;
};

// A timer; destroying it cancels. It belongs to the actor that made it and is destroyed on that
// actor's thread, at the latest with the actor.
class [[nodiscard]] TimerHandle {
 public:
  TimerHandle() noexcept = default;
  TimerHandle(TimerQueue& queue, TimerId id) noexcept : queue_(&queue), id_(id) {}
  TimerHandle(TimerHandle&& other) noexcept
      : queue_(std::exchange(other.queue_, nullptr)), id_(other.id_) {}
  TimerHandle& operator=(TimerHandle&& other) noexcept {
    if (this != &other) {
      cancel();
      queue_ = std::exchange(other.queue_, nullptr);
      id_ = other.id_;
    }
    return *this;
  }
  ~TimerHandle() { cancel(); }

  void cancel() noexcept {
    if (TimerQueue* queue = std::exchange(queue_, nullptr)) queue->cancel(id_);
  }
  // Whether a message is still to come.
  [[nodiscard]] bool active() const noexcept { return queue_ != nullptr && queue_->exists(id_); }

 private:
  TimerQueue* queue_ = nullptr;
  TimerId id_;
};

}  // namespace aspen::actor
