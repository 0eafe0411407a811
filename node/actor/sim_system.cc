#include "node/actor/sim_system.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::actor {

namespace {

constexpr WallTime epoch{1'700'000'000'000'000'000};

[[nodiscard]] SystemOptions with_one_worker(SystemOptions options) {
  options.workers = 1;
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

bool SimWorld::run_one(std::size_t limit) {
  ASPEN_ASSERT(limit <= limits::turn_messages_max);
  std::size_t runnable = 0;
  for (SimSystem* system : systems_) {
    system->worker(0).collect();
    runnable += system->worker(0).runnable();
  }
  if (runnable == 0) return false;
  ++turns_now_;
  ASPEN_ASSERT(turns_now_ <= limits::sim_turns_per_instant_max);  // else a livelock
  std::size_t position = choice_.below(runnable);
  if (limit == 0) limit = 1 + choice_.below(limits::turn_messages_max);
  for (SimSystem* system : systems_) {
    Worker& worker = system->worker(0);
    if (position < worker.runnable()) {
      const Worker::Scope scope(worker);
      worker.run(position, limit);
      return true;
    }
    position -= worker.runnable();
  }
  ASPEN_UNREACHABLE();
}

Instant SimWorld::next() const noexcept {
  Instant next = events_.empty() ? Instant::never() : events_.front().at;
  for (SimSystem* system : systems_) next = std::min(next, system->worker(0).timers().next());
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
  for (SimSystem* system : systems_) {
    Worker& worker = system->worker(0);
    if (worker.timers().next() > now_) continue;
    const Worker::Scope scope(worker);
    worker.fire_timers(now_);
    fired = true;
  }
  if (fired) return;
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

SimSystem::SimSystem(SystemOptions options, SimWorld& world)
    : System(with_one_worker(std::move(options))), world_(world) {
  world_.attach(*this);
}

SimSystem::SimSystem(SystemOptions options)
    : System(with_one_worker(options)),
      own_world_(std::make_unique<SimWorld>(options.seed)),
      world_(*own_world_) {
  world_.attach(*this);
}

SimSystem::~SimSystem() {
  crash();
  world_.detach(*this);
}

void SimSystem::crash() {
  crash_all();
}

}  // namespace aspen::actor
