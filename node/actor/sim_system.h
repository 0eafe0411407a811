// Actors in one thread, with virtual time and a seeded order: the same seed replays a run exactly.
// A SimWorld holds the time, the events of what surrounds the actors (network, disk), and any
// number of SimSystems, one per node. Handling takes no virtual time: the world moves on to the
// next timer or event when no actor is runnable.
//
// A system can be paused, as a stopped machine is. It can also have more than one worker, for the
// actors that block on a disk in production: a turn of such a worker then begins a while after its
// actor became runnable, and until then it takes messages like an actor that is blocked.
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

// The workers of a SimSystem. `delay` says how long a worker, by number, blocks before its next
// turn; empty: never.
struct SimWorkers {
  std::size_t count = 1;
  std::function<Duration(std::size_t worker)> delay = {};
};

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
  // How many actors may have a turn now, by worker in counts_.
  [[nodiscard]] std::size_t count_runnable();
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
  std::vector<std::size_t> counts_;
};

class SimSystem final : public System {
 public:
  // `options.workers` counts as 1: SimWorkers says how many.
  SimSystem(SystemOptions options, SimWorld& world, SimWorkers workers = {});
  // A world of its own with the options' seed.
  explicit SimSystem(SystemOptions options = {});
  // Crashes what still runs.
  ~SimSystem() override;

  // Starts an ordered stop of the tree; stopped() tells when it is done.
  void stop() { stop_root(); }
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  // Ends all actors at once, without hooks, as a process dies. Refs stay valid and find nobody.
  void crash();

  // No actor has a turn and no timer fires; messages wait. Time goes on, as for a stopped machine.
  void pause() noexcept { paused_ = true; }
  void resume() noexcept { paused_ = false; }
  [[nodiscard]] bool paused() const noexcept { return paused_; }
  // Workers that block wait no longer.
  void unblock() noexcept;
  // Pauses it after so many more turns, wherever they leave its actors, and calls `then`.
  // Precondition: turns > 0.
  void pause_after(std::uint64_t turns, std::function<void()> then);

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
  // How many actors of a worker may have a turn now; begins its wait if it has one.
  [[nodiscard]] std::size_t runnable(std::size_t number);
  // The time of its next timer, or of a turn that waits.
  [[nodiscard]] Instant next() noexcept;
  void run(std::size_t number, std::size_t position, std::size_t limit);
  // False if no timer was due.
  bool fire_timers();

  std::unique_ptr<SimWorld> own_world_;
  SimWorld& world_;
  std::function<Duration(std::size_t)> delay_;
  std::vector<Instant> blocked_until_;  // by worker; never(): no turn is waited for
  bool stopped_ = false;
  bool paused_ = false;
  std::uint64_t turns_left_ = 0;  // until it is paused; 0: no end
  std::function<void()> then_;
};

}  // namespace aspen::actor
