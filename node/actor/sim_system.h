// Actors in one thread, with virtual time and a seeded order: the same seed replays a run exactly.
// A SimWorld holds the time, the events of what surrounds the actors (network, disk), and any
// number of SimSystems, one per node. Handling takes no virtual time: the world moves on to the
// next timer or event when no actor is runnable.
//
// Thread: one. Calls from outside an actor, such as tell in an event, are fine at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "node/actor/system.h"
#include "node/base/prng.h"
#include "node/base/time.h"
#include "node/port/clock.h"

namespace aspen::actor {

class SimSystem;

class SimWorld final : public Clock {
 public:
  explicit SimWorld(std::uint64_t seed);
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;
  // Precondition: its systems are gone.
  ~SimWorld() override;

  [[nodiscard]] Instant now() const noexcept override { return now_; }
  // Civil time runs along, from a fixed date.
  [[nodiscard]] WallTime wall() const noexcept override;

  // Calls `event` at `at`, or as the next event if that has passed. Events of one instant run in
  // the order in which they were scheduled. Not cancellable: an event that may be stale checks for
  // it.
  void schedule(Instant at, std::function<void()> event);

  // One message of an actor chosen by the seed, or else the next timers or event. False if there is
  // nothing left to do.
  bool step();
  // Runs what is runnable now; time stands still.
  void run_until_idle();
  // Runs until that instant, which becomes the time.
  void run_until(Instant at);
  void run_for(Duration duration) { run_until(now_ + duration); }

  // A stream of random numbers for what surrounds the actors.
  [[nodiscard]] Prng split_prng(std::string_view name) const { return prng_.split(name); }

 private:
  friend class SimSystem;
  struct Event {
    Instant at;
    std::uint64_t sequence;
    std::function<void()> call;
  };
  void attach(SimSystem& system);
  void detach(SimSystem& system) noexcept;
  // Runs one turn of up to `limit` messages (0: the seed decides); false if no actor is runnable.
  bool run_one(std::size_t limit);
  // The time of the next timer or event.
  [[nodiscard]] Instant next() const noexcept;
  void fire_next();

  Prng prng_;
  Prng choice_;
  Instant now_{};
  std::uint64_t sequence_ = 0;
  std::uint64_t turns_now_ = 0;
  std::vector<Event> events_;  // a heap
  std::vector<SimSystem*> systems_;
};

class SimSystem final : public System {
 public:
  // `options.workers` counts as 1.
  SimSystem(SystemOptions options, SimWorld& world);
  // A world of its own with the options' seed.
  explicit SimSystem(SystemOptions options = {});
  // Crashes what still runs.
  ~SimSystem() override;

  // Starts an ordered stop of the tree; stopped() tells when it is done.
  void stop() { stop_root(); }
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  // Ends all actors at once, without hooks, as a process dies. Refs stay valid and find nobody.
  void crash();

  [[nodiscard]] SimWorld& world() noexcept { return world_; }
  [[nodiscard]] Instant now() const noexcept override { return world_.now(); }
  // The world's, for tests of one system.
  void schedule(Instant at, std::function<void()> event) { world_.schedule(at, std::move(event)); }
  bool step() { return world_.step(); }
  void run_until_idle() { world_.run_until_idle(); }
  void run_until(Instant at) { world_.run_until(at); }
  void run_for(Duration duration) { world_.run_for(duration); }

 private:
  friend class SimWorld;
  void on_root_ended() noexcept override { stopped_ = true; }

  std::unique_ptr<SimWorld> own_world_;
  SimWorld& world_;
  bool stopped_ = false;
};

}  // namespace aspen::actor
