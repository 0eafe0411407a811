#include "node/actor/thread_system.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>

#include "node/actor/thread_poller.h"
#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::actor {

namespace {

// A sleep ends now and then even without a reason, so that a lost wake would cost time, not life.
constexpr Duration sleep_longest = std::chrono::seconds(1);
constexpr Duration stop_deadline_default = std::chrono::seconds(1);
// Beyond what a handler that looks at Context::stop_wanted() takes.
constexpr Duration stuck_after = std::chrono::seconds(1);

}  // namespace

struct ThreadSystem::Signals {
  std::atomic<bool> exit{false};
  std::mutex mutex;
  std::condition_variable changed;
  bool root_ended = false;
  std::size_t threads_running = 0;
};

ThreadSystem::ThreadSystem(ThreadOptions options, const Clock& clock)
    : System(std::move(options.system)),
      clock_(clock),
      spin_(options.spin),
      on_stuck_(std::move(options.on_stuck)),
      pollers_(std::move(options.pollers)),
      signals_(std::make_unique<Signals>()) {
  pollers_.resize(workers(), nullptr);
  for (std::size_t i = 0; i < workers(); ++i) {
    if (pollers_[i] == nullptr) {
      own_pollers_.push_back(std::make_unique<ThreadPoller>());
      pollers_[i] = own_pollers_.back().get();
    }
    worker(i).set_poller(pollers_[i]);
  }
}

ThreadSystem::~ThreadSystem() {
  static_cast<void>(stop(stop_deadline_default));
}

void ThreadSystem::start() {
  ASPEN_ASSERT(threads_.empty());
  signals_->threads_running = workers();
  for (std::size_t i = 0; i < workers(); ++i) {
    threads_.emplace_back([this, i] { work(worker(i), *pollers_[i]); });
  }
}

Result<void> ThreadSystem::stop(Duration deadline) {
  ASPEN_ASSERT(Worker::current() == nullptr);
  bool in_time = true;
  if (!threads_.empty()) {
    stop_root();
    std::unique_lock<std::mutex> lock(signals_->mutex);
    in_time = signals_->changed.wait_for(lock, deadline, [this] { return signals_->root_ended; });
  }
  signals_->exit.store(true);
  for (Poller* poller : pollers_) poller->wake();
  join();
  crash_all();
  if (!in_time) return fail(Code::timed_out, "actors did not stop in time");
  return {};
}

void ThreadSystem::join() noexcept {
  {
    std::unique_lock<std::mutex> lock(signals_->mutex);
    const bool returned = signals_->changed.wait_for(
        lock, stuck_after, [this] { return threads_.empty() || signals_->threads_running == 0; });
    lock.unlock();
    if (!returned && on_stuck_) on_stuck_();
  }
  for (std::thread& thread : threads_) thread.join();
  ASPEN_ASSERT(signals_->threads_running == 0);
  threads_.clear();
}

void ThreadSystem::on_root_ended() noexcept {
  {
    const std::lock_guard<std::mutex> lock(signals_->mutex);
    ASPEN_ASSERT(!signals_->root_ended);
    signals_->root_ended = true;
  }
  signals_->changed.notify_all();
}

void ThreadSystem::work(Worker& own, Poller& poller) noexcept {
  const Worker::Scope scope(own);
  ASPEN_ASSERT(Worker::current() == &own);
  std::size_t turns = 0;
  while (!signals_->exit.load(std::memory_order_relaxed)) {
    own.collect();
    if (own.runnable() > 0 && turns < limits::turns_between_polls_max) {
      own.run(0, limits::turn_messages_max);
      ++turns;
      continue;
    }
    turns = 0;
    own.fire_timers(clock_.now());
    if (own.runnable() > 0 || own.inbox().arrived()) {
      poller.wait(Duration::zero());
    } else {
      sleep(own, poller);
    }
  }
  const std::lock_guard<std::mutex> lock(signals_->mutex);
  ASPEN_ASSERT(signals_->threads_running > 0);
  --signals_->threads_running;
  signals_->changed.notify_all();
}

void ThreadSystem::sleep(Worker& own, Poller& poller) noexcept {
  ASPEN_ASSERT(own.runnable() == 0);
  Instant now = clock_.now();
  const Instant spin_end = now + spin_;
  while (now < spin_end) {
    poller.wait(Duration::zero());
    if (own.runnable() > 0 || own.inbox().arrived() || own.timers().next() <= now) return;
    now = clock_.now();
  }
  if (!own.inbox().fall_asleep()) return;
  const Instant next = own.timers().next();
  const Duration longest = next == Instant::never() ? sleep_longest : next - now;
  poller.wait(std::clamp(longest, Duration::zero(), sleep_longest));
  own.inbox().awake();
}

}  // namespace aspen::actor
