// The simulator: the seed decides the order, the same seed replays it, time is virtual.
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <vector>

#include "node/actor/sim_system.h"
#include "tests/actor/counter.h"

namespace aspen::actor {
namespace {

using namespace std::chrono_literals;

struct Ball {
  int bounces;
};
struct Players {
  std::vector<Ref<Protocol<Ball, Players>>> all;
};
using PlayerProtocol = Protocol<Ball, Players>;
using Trace = std::vector<std::uint64_t>;

// Throws each ball to a player of its own choice, and notes when it had it.
class Player final : public Actor<Player, PlayerProtocol> {
 public:
  Player(std::uint64_t number, Trace& trace) : number_(number), trace_(trace) {}
  void on(Players&& players, Context<Player>&) noexcept { players_ = std::move(players); }
  void on(Ball&& ball, Context<Player>& context) noexcept {
    trace_.push_back(number_ * 1000 + static_cast<std::uint64_t>(ball.bounces));
    trace_.push_back(static_cast<std::uint64_t>(context.now().ns));
    if (ball.bounces == 0) return;
    if (context.prng().chance(1, 10)) {
      pause_ = context.after(Duration(1 + context.prng().below(1'000'000)), Ball{ball.bounces - 1});
      return;
    }
    const auto& to = players_.all[context.prng().below(players_.all.size())];
    EXPECT_TRUE(to.tell(Ball{ball.bounces - 1}));
  }

 private:
  std::uint64_t number_;
  Trace& trace_;
  Players players_;
  TimerHandle pause_;
};

[[nodiscard]] Trace play(std::uint64_t seed) {
  Trace trace;
  SimSystem sim(SystemOptions{.seed = seed});
  Players players;
  for (std::uint64_t i = 0; i < 5; ++i) {
    players.all.push_back(sim.spawn<Player>({}, i, std::ref(trace)).value());
  }
  for (const auto& player : players.all) {
    EXPECT_TRUE(player.tell(players));
    EXPECT_TRUE(player.tell(Ball{100}));
  }
  sim.run_for(10s);
  return trace;
}

TEST(SimLaw, TheSameSeedReplaysTheSameRun) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(play(seed), play(seed)) << seed;
}

TEST(SimLaw, AnotherSeedGivesAnotherOrder) {
  std::set<Trace> runs;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) runs.insert(play(seed));
  EXPECT_EQ(runs.size(), 20u);
}

// Without random choices of the actors themselves: the order of turns alone differs.
TEST(SimLaw, TheSeedDecidesWhichActorIsNext) {
  std::set<Trace> runs;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Trace trace;
    SimSystem sim(SystemOptions{.seed = seed});
    for (std::uint64_t i = 0; i < 5; ++i) {
      EXPECT_TRUE(sim.spawn<Player>({}, i, std::ref(trace)).value().tell(Ball{0}));
    }
    sim.run_until_idle();
    EXPECT_EQ(trace.size(), 10u);
    runs.insert(trace);
  }
  EXPECT_GT(runs.size(), 10u);
}

// One actor is told something, then another one, which tells the first: the order of the causes.
TEST(SimLaw, AMessageNeverOvertakesOneThatCausedIt) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Trace trace;
    SimSystem sim(SystemOptions{.seed = seed});
    const auto target = sim.spawn<Player>({}, 1u, std::ref(trace)).value();
    const auto relay = sim.spawn<Player>({}, 2u, std::ref(trace)).value();
    ASSERT_TRUE(relay.tell(Players{{target}}));
    sim.run_until_idle();
    ASSERT_TRUE(target.tell(Ball{0}));
    ASSERT_TRUE(relay.tell(Ball{9}));
    ASSERT_TRUE(target.tell(Players{{target}}));
    sim.run_for(1s);
    const auto caused = std::find(trace.begin(), trace.end(), 1008u);
    const auto cause = std::find(trace.begin(), trace.end(), 1000u);
    EXPECT_LT(cause - trace.begin(), caused - trace.begin()) << seed;
  }
}

TEST(SimLaw, TimeStandsStillWhileActorsAreRunnable) {
  SimSystem sim;
  const auto counter = sim.spawn<Counter>({}).value();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(counter.tell(Add{1}));
  sim.run_until_idle();
  EXPECT_EQ(sim.now(), Instant{});
  sim.run_until(Instant{} + 5s);
  EXPECT_EQ(sim.now(), Instant{} + 5s);
}

TEST(SimLaw, EventsOfOneInstantRunInTheOrderOfScheduling) {
  SimSystem sim;
  std::vector<int> seen;
  sim.schedule(Instant{} + 2ms, [&] { seen.push_back(3); });
  sim.schedule(Instant{} + 1ms, [&] {
    seen.push_back(1);
    sim.schedule(Instant{}, [&] { seen.push_back(2); });  // passed: next of all
  });
  sim.schedule(Instant{} + 2ms, [&] { seen.push_back(4); });
  sim.run_until(Instant{} + 1ms);
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
  sim.run_for(1s);
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 4}));
}

TEST(SimLaw, AStepIsOneMessage) {
  SimSystem sim;
  const auto counter = sim.spawn<Counter>({}).value();
  sim.run_until_idle();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(counter.tell(Add{1}));
  for (std::uint64_t i = 1; i <= 3; ++i) {
    EXPECT_TRUE(sim.step());
    EXPECT_EQ(sim.snapshot().at(0).handled, i);
  }
  EXPECT_FALSE(sim.step());
}

TEST(SimLaw, APausedSystemDoesNothingAndGoesOnWhereItWas) {
  SimWorld world(1);
  SimSystem sim({}, world);
  SimSystem other({}, world);
  const auto counter = sim.spawn<Counter>({}).value();
  const auto neighbour = other.spawn<Counter>({}).value();
  world.run_until_idle();
  const std::uint64_t before = sim.snapshot().at(0).handled;
  sim.pause();
  ASSERT_TRUE(counter.tell(Add{1}));
  ASSERT_TRUE(neighbour.tell(Add{1}));
  world.run_for(1s);
  EXPECT_EQ(sim.snapshot().at(0).handled, before);
  EXPECT_EQ(other.snapshot().at(0).handled, before + 1);
  sim.resume();
  world.run_for(1ms);
  EXPECT_EQ(sim.snapshot().at(0).handled, before + 1);
}

TEST(SimLaw, APauseAfterTurnsLeavesTheRestUndone) {
  SimWorld world(1);
  SimSystem sim({}, world);
  std::vector<Ref<CounterProtocol>> counters;
  for (int i = 0; i < 10; ++i) counters.push_back(sim.spawn<Counter>({}).value());
  world.run_until_idle();
  int paused = 0;
  sim.pause_after(4, [&] { ++paused; });
  for (const auto& each : counters) ASSERT_TRUE(each.tell(Add{1}));
  world.run_for(1s);
  EXPECT_EQ(paused, 1);
  EXPECT_TRUE(sim.paused());
  std::size_t handled = 0;
  for (const ActorStats& stats : sim.snapshot()) handled += stats.handled;
  EXPECT_EQ(handled, 4U);
  sim.resume();
  world.run_for(1s);
  EXPECT_EQ(paused, 1);
}

TEST(SimLaw, AnActorThatIsMadeToFailIsRestarted) {
  SimSystem sim;
  const auto counter = sim.spawn<Counter>({}, 5).value();
  ASSERT_TRUE(counter.tell(Add{1}));
  sim.run_until_idle();
  const Error killed{Code::corrupt, "killed"};
  const std::uint64_t id = sim.snapshot().at(0).id;
  EXPECT_EQ(sim.fail_actor(id + 1, killed).error().code, Code::not_found);
  EXPECT_EQ(sim.fail_actor(1, killed).error().code, Code::failed_precondition);  // the root
  ASSERT_TRUE(sim.fail_actor(id, killed));
  sim.run_for(1s);
  EXPECT_EQ(sim.snapshot().at(0).restarts, 1U);
  int sum = 0;
  counter.ask_from_outside(Sum{}, [&](Result<int>&& answer) { sum = answer.value(); });
  sim.run_until_idle();
  EXPECT_EQ(sum, 5);
}

// A worker that blocks begins its turn late, with all that arrived until then; the other worker of
// the system goes on meanwhile.
TEST(SimLaw, AWorkerThatBlocksTakesItsTurnLater) {
  SimWorld world(1);
  SimSystem sim({}, world, {2, [](std::size_t worker) { return worker == 1 ? 5ms : 0ms; }});
  const auto quick = sim.spawn<Counter>(ChildOptions{.worker = 0}).value();
  const auto blocked = sim.spawn<Counter>(ChildOptions{.worker = 1}).value();
  world.run_for(1s);
  ASSERT_TRUE(quick.tell(Add{1}));
  ASSERT_TRUE(blocked.tell(Add{1}));
  const auto handled = [&](std::size_t actor) { return sim.snapshot().at(actor).handled; };
  const std::uint64_t before = handled(1);
  world.run_for(4ms);
  EXPECT_EQ(handled(0), before + 1);
  EXPECT_EQ(handled(1), before);
  ASSERT_TRUE(blocked.tell(Add{1}));
  world.run_for(1ms);
  EXPECT_GT(handled(1), before);
  world.run_for(5ms);
  EXPECT_EQ(handled(1), before + 2);
  ASSERT_TRUE(blocked.tell(Add{1}));
  world.run_for(1ms);
  sim.unblock();
  world.run_until_idle();
  EXPECT_EQ(handled(1), before + 3);
}

}  // namespace
}  // namespace aspen::actor
