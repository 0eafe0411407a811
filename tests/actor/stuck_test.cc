// Handlers that do not return: what the runtime does about an actor that it cannot end.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "node/actor/thread_system.h"
#include "tests/actor/counter.h"
#include "tests/actor/steady_clock.h"

namespace aspen::actor {
namespace {

using namespace std::chrono_literals;

struct Gate {
  std::atomic<bool> blocked{false};
  std::atomic<bool> asked_to_stop{false};
  std::atomic<bool> release{false};
  std::atomic<int> starts{0};
};

struct Block {};

// Its handler returns when the gate is opened; it looks whether a stop is wanted.
class Stuck final : public Actor<Stuck, Protocol<Block>> {
 public:
  explicit Stuck(Gate& gate) : gate_(gate) {}
  void on(Block&&, Context<Stuck>& context) noexcept {
    gate_.blocked.store(true);
    while (!gate_.release.load()) {
      if (context.stop_wanted()) gate_.asked_to_stop.store(true);
      std::this_thread::yield();
    }
  }

 private:
  Gate& gate_;
};

class Owner final : public Actor<Owner, Protocol<Fail>> {
 public:
  explicit Owner(Gate& gate) : gate_(gate) {}
  Result<void> pre_start(Context<Owner>& context) noexcept {
    ++gate_.starts;
    const auto child = context.spawn<Stuck>({.worker = 1, .stop_deadline = 20ms}, std::ref(gate_));
    EXPECT_TRUE(child.tell(Block{}));
    return {};
  }
  void on(Fail&&, Context<Owner>& context) noexcept {
    context.fail(Error{Code::no_space, "asked to fail"});
  }

 private:
  Gate& gate_;
};

class Above final : public Actor<Above, Protocol<Fail>> {
 public:
  explicit Above(Gate& gate) : gate_(gate) {}
  Result<void> pre_start(Context<Above>& context) noexcept {
    owner_ = context.spawn<Owner>({}, std::ref(gate_));
    return {};
  }
  void on(Fail&&, Context<Above>&) noexcept { EXPECT_TRUE(owner_.tell(Fail{})); }

 private:
  Gate& gate_;
  Ref<Protocol<Fail>> owner_;
};

// Two instances beside each other would own the same files.
TEST(StuckLaw, AFailedActorIsNotRestartedBesideAStuckChildNorIsAnybodyAboveIt) {
  Gate gate;
  std::promise<Error> given_up;
  const SteadyClock clock;
  ThreadOptions options{.system = {.workers = 2, .on_give_up = [&given_up](const Error& error) {
                                     given_up.set_value(error);
                                   }}};
  ThreadSystem system(std::move(options), clock);
  const auto above = system.spawn<Above>({.worker = 0}, std::ref(gate));
  system.start();
  while (!gate.blocked.load()) std::this_thread::yield();
  ASSERT_TRUE(above.value().tell(Fail{}));
  std::future<Error> error = given_up.get_future();
  ASSERT_EQ(error.wait_for(20s), std::future_status::ready);
  EXPECT_EQ(error.get().code, Code::no_space);
  EXPECT_EQ(gate.starts.load(), 1);
  EXPECT_TRUE(gate.asked_to_stop.load());
  gate.release.store(true);
  EXPECT_TRUE(system.stop(10s));
}

TEST(StuckLaw, AThreadThatDoesNotReturnIsReportedInsteadOfAwaitedForEver) {
  Gate gate;
  std::atomic<bool> reported{false};
  const SteadyClock clock;
  ThreadOptions options{.system = {.workers = 2}};
  options.on_stuck = [&] {
    reported.store(true);
    gate.release.store(true);  // a process would end here
  };
  ThreadSystem system(std::move(options), clock);
  const auto stuck =
      system.spawn<Stuck>({.worker = 1, .stop_deadline = 20ms}, std::ref(gate)).value();
  system.start();
  ASSERT_TRUE(stuck.tell(Block{}));
  while (!gate.blocked.load()) std::this_thread::yield();
  EXPECT_TRUE(system.stop(10s));  // the tree has ended in time, without the child
  EXPECT_TRUE(reported.load());
}

}  // namespace
}  // namespace aspen::actor
