// Timers: when they fire, that a cancel is final, and that restarts do not double them.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <vector>

#include "node/actor/sim_system.h"
#include "node/base/prng.h"
#include "tests/actor/counter.h"

namespace aspen::actor {
namespace {

using namespace std::chrono_literals;

struct Tick {
  int number;
};
struct Do {
  std::function<void()> action;
};
struct Arm {
  Duration delay;
  Duration period;
  int number;
};
struct Cancel {
  std::size_t timer;
};
using ClockworkProtocol = Protocol<Tick, Do, Arm, Cancel, Fail>;

struct Firing {
  std::int64_t at_ms;
  int number;
  friend bool operator==(const Firing&, const Firing&) = default;
};
using Firings = std::vector<Firing>;

class Clockwork final : public Actor<Clockwork, ClockworkProtocol> {
 public:
  explicit Clockwork(Firings& firings) : firings_(firings) {}
  void on(Tick&& tick, Context<Clockwork>& context) noexcept {
    firings_.push_back({context.now().ns / 1'000'000, tick.number});
  }
  void on(Do&& what, Context<Clockwork>&) noexcept { what.action(); }
  void on(Arm&& arm, Context<Clockwork>& context) noexcept {
    timers_.push_back(arm.period > Duration::zero() ? context.every(arm.period, Tick{arm.number})
                                                    : context.after(arm.delay, Tick{arm.number}));
  }
  void on(Cancel&& cancel, Context<Clockwork>&) noexcept { timers_.at(cancel.timer).cancel(); }
  void on(Fail&&, Context<Clockwork>& context) noexcept {
    context.fail(Error{Code::corrupt, "asked to fail"});
  }

 private:
  Firings& firings_;
  std::vector<TimerHandle> timers_;
};

struct TimerLaw : testing::Test {
  SimSystem sim{SystemOptions{.seed = 11}};
  Firings firings;
  Ref<ClockworkProtocol> clockwork =
      sim.spawn<Clockwork>({.backoff_min = 10ms, .backoff_max = 10ms}, std::ref(firings)).value();
};

TEST_F(TimerLaw, FiresOnceAfterTheDelay) {
  ASSERT_TRUE(clockwork.tell(Arm{30ms, {}, 3}));
  ASSERT_TRUE(clockwork.tell(Arm{10ms, {}, 1}));
  ASSERT_TRUE(clockwork.tell(Arm{20ms, {}, 2}));
  sim.run_for(1s);
  EXPECT_EQ(firings, (Firings{{10, 1}, {20, 2}, {30, 3}}));
}

TEST_F(TimerLaw, FiresPeriodicallyWithoutDrift) {
  ASSERT_TRUE(clockwork.tell(Arm{{}, 10ms, 1}));
  sim.run_for(45ms);
  EXPECT_EQ(firings, (Firings{{10, 1}, {20, 1}, {30, 1}, {40, 1}}));
}

TEST_F(TimerLaw, ACancelledTimerDoesNotFire) {
  ASSERT_TRUE(clockwork.tell(Arm{10ms, {}, 1}));
  ASSERT_TRUE(clockwork.tell(Arm{{}, 10ms, 2}));
  sim.run_for(15ms);
  EXPECT_EQ(firings.size(), 2u);
  ASSERT_TRUE(clockwork.tell(Cancel{1}));
  sim.run_for(1s);
  EXPECT_EQ(firings.size(), 2u);
}

// The timer fires while its message waits behind the one that cancels it.
TEST_F(TimerLaw, ACancelReachesAMessageThatIsInTheMailboxAlready) {
  TimerQueue queue;
  ASSERT_TRUE(clockwork.tell(Arm{10ms, {}, 1}));
  sim.run_for(9ms);
  sim.schedule(Instant{} + 10ms, [&] {
    // Of the same instant, and the timer is served first: both lie in the mailbox now.
    ASSERT_TRUE(clockwork.tell(Cancel{0}));
  });
  ASSERT_TRUE(clockwork.tell(Do{[] {}}));
  sim.run_for(1s);
  EXPECT_LE(firings.size(), 1u);

  Firings seen;
  class Hasty final : public Actor<Hasty, Protocol<Tick, Do>> {
   public:
    explicit Hasty(Firings& firings) : firings_(firings) {}
    Result<void> pre_start(Context<Hasty>& context) noexcept {
      // Two timers of one instant: the first one's handler cancels the second.
      first_ = context.after(5ms, Tick{1});
      second_ = context.after(5ms, Tick{2});
      return {};
    }
    void on(Tick&& tick, Context<Hasty>&) noexcept {
      firings_.push_back({0, tick.number});
      second_.cancel();
    }
    void on(Do&&, Context<Hasty>&) noexcept {}

   private:
    Firings& firings_;
    TimerHandle first_;
    TimerHandle second_;
  };
  const auto hasty = sim.spawn<Hasty>({}, std::ref(seen)).value();
  ASSERT_TRUE(hasty.tell(Do{[] {}}));
  sim.run_for(1s);
  EXPECT_EQ(seen, (Firings{{0, 1}}));
}

TEST_F(TimerLaw, ARestartEndsTheTimersOfTheFormerInstance) {
  ASSERT_TRUE(clockwork.tell(Arm{{}, 10ms, 1}));
  sim.run_for(25ms);
  ASSERT_TRUE(clockwork.tell(Fail{}));
  sim.run_for(1s);
  EXPECT_EQ(firings.size(), 2u);
  firings.clear();
  ASSERT_TRUE(clockwork.tell(Arm{{}, 100ms, 2}));
  sim.run_for(1s);
  EXPECT_EQ(firings.size(), 10u);
}

// A timer is not subject to the mailbox's capacity: it must not be lost in a crowd.
TEST_F(TimerLaw, FiresIntoAFullMailbox) {
  Firings seen;
  const auto crowded = sim.spawn<Clockwork>({.mailbox_capacity = 1}, std::ref(seen)).value();
  ASSERT_TRUE(crowded.tell(Arm{5ms, {}, 1}));
  sim.run_for(1ms);
  sim.schedule(Instant{} + 5ms, [&] {
    while (crowded.tell(Do{[] {}})) {
    }
  });
  sim.run_for(1s);
  EXPECT_EQ(seen.size(), 1u);
}

TEST_F(TimerLaw, TheNumberOfTimersOfAnActorIsBounded) {
  for (std::size_t i = 0; i <= limits::actor_timers_max; ++i) {
    ASSERT_TRUE(clockwork.tell(Arm{1s, {}, 1}));
  }
  sim.run_for(500ms);
  ASSERT_EQ(sim.snapshot().size(), 1u);
  EXPECT_EQ(sim.snapshot()[0].restarts, 1u);
}

// The queue against a plain list: arm, cancel and fire at random, from a printed seed.
TEST(TimerQueueLaw, FiresInTheOrderOfTimeAndArming) {
  const std::uint64_t seed = 20261124;
  SCOPED_TRACE(seed);
  Prng prng(seed);
  SimSystem sim;
  Firings seen;
  const auto clockwork = sim.spawn<Clockwork>({.mailbox_capacity = 4096}, std::ref(seen)).value();
  Firings expected;
  for (int number = 0; number < 200; ++number) {
    const auto ms = static_cast<std::int64_t>(prng.below(50) + 1);
    const bool cancelled = prng.chance(1, 3);
    ASSERT_TRUE(clockwork.tell(Arm{std::chrono::milliseconds(ms), {}, number}));
    if (cancelled) {
      ASSERT_TRUE(clockwork.tell(Cancel{static_cast<std::size_t>(number)}));
    } else {
      expected.push_back({ms, number});
    }
  }
  std::stable_sort(expected.begin(), expected.end(),
                   [](const Firing& a, const Firing& b) { return a.at_ms < b.at_ms; });
  sim.run_for(1s);
  EXPECT_EQ(seen, expected);
}

}  // namespace
}  // namespace aspen::actor
