// A worker runs the turns of the actors that live on it, one at a time, and their timers. Which
// actor is next, when it sleeps and what time it is is decided by the dispatcher that drives it
// (thread_system.h, sim_system.h).
//
// Thread: one; hand_over() is for the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "node/actor/mailbox.h"
#include "node/actor/timer.h"
#include "node/base/time.h"
#include "node/port/poller.h"

namespace aspen::actor {

class System;

// Actors in the order in which they became runnable. Each is in it at most once.
class RunQueue {
 public:
  RunQueue() : ring_(64) {}
  void push(Cell& cell);
  // Precondition: position < size(). Position 0 is the oldest; taking another one moves the oldest
  // into its place.
  [[nodiscard]] Cell& take(std::size_t position) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  [[nodiscard]] Cell*& at(std::size_t position) noexcept {
    return ring_[(first_ + position) & (ring_.size() - 1)];
  }
  std::vector<Cell*> ring_;  // its size is a power of two
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

class Worker {
 public:
  Worker(System& system, std::uint32_t number) noexcept : system_(system), number_(number) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The worker whose actors this thread runs; null on other threads.
  [[nodiscard]] static Worker* current() noexcept { return current_; }
  class Scope {
   public:
    explicit Scope(Worker& worker) noexcept : former_(std::exchange(current_, &worker)) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { current_ = former_; }

   private:
    Worker* former_;
  };

  void enqueue(Cell& cell) { runnable_.push(cell); }
  // Any thread: the actor has become runnable, and its mailbox has said so to this caller alone.
  void hand_over(Cell& cell) noexcept;

  // Makes runnable what other threads have handed over.
  void collect() noexcept;
  [[nodiscard]] std::size_t runnable() const noexcept { return runnable_.size(); }
  // One turn. Preconditions: position < runnable(), in a Scope of this worker.
  void run(std::size_t position, std::size_t limit) noexcept;
  // Fires what is due at `now`. Precondition: in a Scope of this worker.
  void fire_timers(Instant now) noexcept;

  [[nodiscard]] TimerQueue& timers() noexcept { return timers_; }
  // The time of the current turn, read once per turn.
  [[nodiscard]] Instant now() noexcept;
  void forget_now() noexcept { now_known_ = false; }
  [[nodiscard]] Inbox<Cell>& inbox() noexcept { return inbox_; }
  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  // Who is to be woken when something is handed over to a sleeping worker.
  void set_poller(Poller* poller) noexcept { poller_ = poller; }

 private:
  static inline constinit thread_local Worker* current_ = nullptr;

  System& system_;
  RunQueue runnable_;
  TimerQueue timers_;
  Instant now_;
  bool now_known_ = false;
  std::uint32_t number_;
  Poller* poller_ = nullptr;
  Inbox<Cell> inbox_;
};

}  // namespace aspen::actor
