// Actors on worker threads. A worker sleeps in its Poller when none of its actors is runnable.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "node/actor/system.h"
#include "node/port/clock.h"
#include "node/port/poller.h"

namespace aspen::actor {

struct ThreadOptions {
  SystemOptions system = {};
  // One per worker, in their order; missing or null: a poller that serves nothing but wakes.
  std::vector<Poller*> pollers = {};
  // How long an idle worker polls before it sleeps. Worth it only if it has a processor of its own.
  Duration spin = Duration::zero();
  // A handler does not return although its thread is to end. Called once, on the thread that stops
  // the System; a process ends here. If it returns, the stop waits on.
  std::function<void()> on_stuck = {};
};

class ThreadSystem final : public System {
 public:
  // The clock outlives the System.
  ThreadSystem(ThreadOptions options, const Clock& clock);
  // Stops if that was not done, without waiting for actors longer than a second.
  ~ThreadSystem() override;

  // Starts the threads. Once.
  void start();
  // Stops the tree in order, then the threads. From a thread that is no worker. Possible errors:
  // timed_out (something did not end in time; the threads are joined nevertheless, which waits for
  // handlers that do not return: see ThreadOptions::on_stuck).
  Result<void> stop(Duration deadline);

  [[nodiscard]] Instant now() const noexcept override { return clock_.now(); }

 private:
  struct Signals;  // between the stopper and the workers
  void work(Worker& worker, Poller& poller) noexcept;
  void sleep(Worker& worker, Poller& poller) noexcept;
  void join() noexcept;
  void on_root_ended() noexcept override;

  const Clock& clock_;
  Duration spin_;
  std::function<void()> on_stuck_;
  std::vector<std::unique_ptr<Poller>> own_pollers_;
  std::vector<Poller*> pollers_;
  std::unique_ptr<Signals> signals_;
  std::vector<std::thread> threads_;
};

}  // namespace aspen::actor
