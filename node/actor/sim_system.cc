#include "node/actor/sim_system.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::actor {

namespace {

constexpr WallTime epoch{1'700'000'000'000'000'000};

[[nodiscard]] SystemOptions with_workers(SystemOptions options, std::size_t count) {
  options.workers = count;
  return options;
}

constexpr auto later = [](const auto& a, const auto& b) {
  return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
};

}  // namespace

SimWorld::SimWorld(std::uint64_t seed) : prng_(seed), choice_(prng_.split("choice")) {}

SimWorld::~SimWorld() {
  ASPEN_ASSERT(systems_.empty());
}

WallTime SimWorld::wall() const noexcept {
  return epoch + (now_ - Instant{});
}

void SimWorld::attach(SimSystem& system) {
  systems_.push_back(&system);
}

void SimWorld::detach(SimSystem& system) noexcept {
  const auto erased = std::erase(systems_, &system);
  ASPEN_ASSERT(erased == 1);
}

void SimWorld::schedule(Instant at, std::function<void()> event) {
  ASPEN_ASSERT(event != nullptr);
  events_.push_back({std::max(at, now_), sequence_++, std::move(event)});
  std::push_heap(events_.begin(), events_.end(), later);
}

std::size_t SimWorld::count_runnable() {
  counts_.clear();
  std::size_t all = 0;
  for (SimSystem* system : systems_) {
    for (std::size_t i = 0; i < system->workers(); ++i) {
      counts_.push_back(system->runnable(i));
      all += counts_.back();
    }
  }
  return all;
}

bool SimWorld::run_one(std::size_t limit) {
  ASPEN_ASSERT(limit <= limits::turn_messages_max);
  const std::size_t all = count_runnable();
  if (all == 0) return false;
  ++turns_now_;
  ASPEN_ASSERT(turns_now_ <= limits::sim_turns_per_instant_max);  // else a livelock
  std::size_t position = choice_.below(all);
  if (limit == 0) limit = 1 + choice_.below(limits::turn_messages_max);
  auto here = counts_.begin();
  for (SimSystem* system : systems_) {
    for (std::size_t i = 0; i < system->workers(); ++i, ++here) {
      if (position < *here) {
        system->run(i, position, limit);
        return true;
      }
      position -= *here;
    }
  }
  ASPEN_UNREACHABLE();
}

Instant SimWorld::next() const noexcept {
  Instant next = events_.empty() ? Instant::never() : events_.front().at;
  for (SimSystem* system : systems_) next = std::min(next, system->next());
  return next;
}

void SimWorld::fire_next() {
  const Instant at = next();
  ASPEN_ASSERT(at != Instant::never());
  if (at > now_) {
    now_ = at;
    turns_now_ = 0;
  }
  bool fired = false;
  for (SimSystem* system : systems_) fired = system->fire_timers() || fired;
  // A turn that was waited for comes before the events of that instant.
  if (fired || count_runnable() > 0) return;
  ASPEN_ASSERT(!events_.empty());
  std::pop_heap(events_.begin(), events_.end(), later);
  const std::function<void()> call = std::move(events_.back().call);
  events_.pop_back();
  call();
}

bool SimWorld::step() {
  if (run_one(1)) return true;
  if (next() == Instant::never()) return false;
  fire_next();
  return true;
}

void SimWorld::run_until_idle() {
  while (run_one(0)) {
    // Bounded by the livelock check.
  }
}

void SimWorld::run_until(Instant at) {
  ASPEN_ASSERT(at >= now_);
  while (true) {
    run_until_idle();
    if (next() > at) break;
    fire_next();
  }
  if (at > now_) turns_now_ = 0;
  now_ = at;
}

SimSystem::SimSystem(SystemOptions options, SimWorld& world, SimWorkers workers)
    : System(with_workers(std::move(options), workers.count)),
      world_(world),
      delay_(std::move(workers.delay)),
      blocked_until_(workers.count, Instant::never()) {
  world_.attach(*this);
}

SimSystem::SimSystem(SystemOptions options)
    : System(with_workers(options, 1)),
      own_world_(std::make_unique<SimWorld>(options.seed)),
      world_(*own_world_),
      blocked_until_(1, Instant::never()) {
  world_.attach(*this);
}

SimSystem::~SimSystem() {
  crash();
  world_.detach(*this);
}

void SimSystem::crash() {
  crash_all();
}

void SimSystem::unblock() noexcept {
  for (Instant& until : blocked_until_) {
    if (until != Instant::never()) until = now();
  }
}

void SimSystem::pause_after(std::uint64_t turns, std::function<void()> then) {
  ASPEN_ASSERT(turns > 0);
  ASPEN_ASSERT(then != nullptr);
  turns_left_ = turns;
  then_ = std::move(then);
}

std::size_t SimSystem::runnable(std::size_t number) {
  if (paused_) return 0;
  Worker& own = worker(number);
  own.collect();
  Instant& until = blocked_until_[number];
  if (own.runnable() == 0) until = Instant::never();
  if (own.runnable() == 0 || delay_ == nullptr) return own.runnable();
  if (until == Instant::never()) until = now() + delay_(number);
  return until <= now() ? own.runnable() : 0;
}

Instant SimSystem::next() noexcept {
  Instant next = Instant::never();
  if (paused_) return next;
  for (std::size_t i = 0; i < workers(); ++i) {
    next = std::min({next, blocked_until_[i], worker(i).timers().next()});
  }
  return next;
}

void SimSystem::run(std::size_t number, std::size_t position, std::size_t limit) {
  ASPEN_ASSERT(!paused_);
  blocked_until_[number] = Instant::never();
  {
    const Worker::Scope scope(worker(number));
    worker(number).run(position, limit);
  }
  if (turns_left_ == 0 || --turns_left_ > 0) return;
  pause();
  const std::function<void()> then = std::move(then_);
  then_ = nullptr;
  then();
}

bool SimSystem::fire_timers() {
  if (paused_) return false;
  bool fired = false;
  for (std::size_t i = 0; i < workers(); ++i) {
    if (worker(i).timers().next() > now()) continue;
    const Worker::Scope scope(worker(i));
    worker(i).fire_timers(now());
    fired = true;
  }
  return fired;
}

}  // namespace aspen::actor
