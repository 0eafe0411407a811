// Tells: what is delivered, in which order, and what is refused.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "node/actor/sim_system.h"
#include "tests/actor/counter.h"

namespace aspen::actor {
namespace {

struct Urgent {
  static constexpr Priority priority = Priority::urgent;
  int number;
};
struct High {
  static constexpr Priority priority = Priority::high;
  int number;
};
struct Normal {
  int number;
};
struct Low {
  static constexpr Priority priority = Priority::low;
  int number;
};
struct Leave {
  static constexpr Priority priority = Priority::low;
};
using RecorderProtocol = Protocol<Urgent, High, Normal, Low, Leave>;

class Recorder final : public Actor<Recorder, RecorderProtocol> {
 public:
  explicit Recorder(std::vector<std::string>& log) : log_(log) {}
  void on(Urgent&& m, Context<Recorder>&) noexcept { put("urgent", m.number); }
  void on(High&& m, Context<Recorder>&) noexcept { put("high", m.number); }
  void on(Normal&& m, Context<Recorder>&) noexcept { put("normal", m.number); }
  void on(Low&& m, Context<Recorder>&) noexcept { put("low", m.number); }
  void on(Leave&&, Context<Recorder>& context) noexcept { context.stop(); }
  void batch_end(Context<Recorder>&) noexcept { log_.emplace_back("batch"); }

 private:
  void put(const char* what, int number) { log_.push_back(what + std::to_string(number)); }
  std::vector<std::string>& log_;
};

[[nodiscard]] std::vector<std::string> without_batches(std::vector<std::string> log) {
  std::erase(log, "batch");
  return log;
}

int sum_of(SimSystem& sim, const Ref<CounterProtocol>& counter) {
  int sum = -1;
  counter.ask_from_outside(Sum{}, [&](Result<int>&& result) { sum = result.value(); });
  sim.run_until_idle();
  return sum;
}

TEST(Messaging, DeliversWhatWasToldBeforeAndAfterTheStart) {
  SimSystem sim;
  const auto counter = sim.spawn<Counter>({}, 40).value();
  EXPECT_TRUE(counter.tell(Add{1}));
  sim.run_until_idle();
  EXPECT_TRUE(counter.tell(Add{1}));
  EXPECT_EQ(sum_of(sim, counter), 42);
}

TEST(Messaging, ServesPrioritiesStrictlyAndEachInTheOrderOfSending) {
  SimSystem sim;
  std::vector<std::string> log;
  const auto recorder = sim.spawn<Recorder>({}, std::ref(log)).value();
  sim.run_until_idle();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(recorder.tell(Low{i}));
    ASSERT_TRUE(recorder.tell(Normal{i}));
    ASSERT_TRUE(recorder.tell(Urgent{i}));
    ASSERT_TRUE(recorder.tell(High{i}));
  }
  sim.run_until_idle();
  EXPECT_EQ(without_batches(log), (std::vector<std::string>{"urgent0", "urgent1", "high0", "high1",
                                                            "normal0", "normal1", "low0", "low1"}));
}

// A message of a higher priority that comes from the own worker overtakes before the next message.
TEST(Messaging, ServesAnUrgentMessageBeforeTheRestOfTheSameTurn) {
  class Self final : public Actor<Self, Protocol<Normal, Urgent>> {
   public:
    explicit Self(std::vector<int>& seen) : seen_(seen) {}
    void on(Normal&& poke, Context<Self>& context) noexcept {
      seen_.push_back(poke.number);
      EXPECT_TRUE(context.self().tell(Urgent{100 + poke.number}));
    }
    void on(Urgent&& echo, Context<Self>&) noexcept { seen_.push_back(echo.number); }

   private:
    std::vector<int>& seen_;
  };
  SimSystem sim;
  std::vector<int> seen;
  const auto self = sim.spawn<Self>({}, std::ref(seen)).value();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(self.tell(Normal{i}));
  sim.run_until_idle();
  EXPECT_EQ(seen, (std::vector<int>{0, 100, 1, 101, 2, 102}));
}

TEST(Messaging, RefusesBeyondTheCapacityAndLosesNothing) {
  SimSystem sim;
  const auto counter = sim.spawn<Counter>({.mailbox_capacity = 3}).value();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(counter.tell(Add{1}));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(counter.tell(Add{1}).error().code, Code::overloaded);
  EXPECT_EQ(sim.snapshot().at(0).depth, 3u);
  EXPECT_EQ(sim.snapshot().at(0).refused, 5u);
  sim.run_until_idle();
  EXPECT_EQ(sum_of(sim, counter), 3);
  EXPECT_TRUE(counter.tell(Add{1}));
}

TEST(Messaging, DoesNotConsumeARefusedMessage) {
  struct Parcel {
    std::unique_ptr<int> content;
  };
  class Taker final : public Actor<Taker, Protocol<Parcel>> {
   public:
    void on(Parcel&&, Context<Taker>&) noexcept {}
  };
  SimSystem sim;
  const auto taker = sim.spawn<Taker>({.mailbox_capacity = 1}).value();
  Parcel first{std::make_unique<int>(1)};
  Parcel second{std::make_unique<int>(2)};
  EXPECT_TRUE(taker.tell(std::move(first)));
  EXPECT_EQ(first.content, nullptr);
  EXPECT_FALSE(taker.tell(std::move(second)));
  EXPECT_NE(second.content, nullptr);
}

TEST(Messaging, AFullMailboxDoesNotHinderAStop) {
  SimSystem sim;
  std::vector<std::string> log;
  const auto recorder = sim.spawn<Recorder>({.mailbox_capacity = 2}, std::ref(log)).value();
  sim.run_until_idle();
  while (recorder.tell(Normal{0})) {
  }
  sim.stop();
  sim.run_until_idle();
  EXPECT_TRUE(sim.stopped());
}

TEST(Messaging, TellsToAStoppedActorAreNotFound) {
  SimSystem sim;
  const auto counter = sim.spawn<Counter>({.restart = Restart::temporary}).value();
  ASSERT_TRUE(counter.tell(Quit{}));
  sim.run_until_idle();
  EXPECT_EQ(counter.tell(Add{1}).error().code, Code::not_found);
  EXPECT_EQ(Ref<CounterProtocol>().tell(Add{1}).error().code, Code::not_found);
}

// The cell is used again; the old ref must not reach the new actor.
TEST(Messaging, AStaleRefNeverReachesALaterActor) {
  SimSystem sim;
  const auto first = sim.spawn<Counter>({.restart = Restart::temporary}).value();
  ASSERT_TRUE(first.tell(Quit{}));
  sim.run_until_idle();
  const auto second = sim.spawn<Counter>({}).value();
  ASSERT_EQ(first.address().endpoint, second.address().endpoint);
  EXPECT_FALSE(first == second);
  EXPECT_EQ(first.tell(Add{1}).error().code, Code::not_found);
  EXPECT_EQ(sum_of(sim, second), 0);
}

TEST(Messaging, CallsBatchEndOncePerTurnWithMessages) {
  SimSystem sim;
  std::vector<std::string> log;
  const auto recorder = sim.spawn<Recorder>({}, std::ref(log)).value();
  sim.run_until_idle();
  EXPECT_TRUE(log.empty());  // a turn without messages
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(recorder.tell(Normal{i}));
  sim.run_until_idle();
  EXPECT_EQ(without_batches(log).size(), 200u);
  const auto batches = log.size() - 200;
  EXPECT_GE(batches, 200 / limits::turn_messages_max);
  EXPECT_LT(batches, 100u);
  EXPECT_EQ(log.back(), "batch");
  for (std::size_t i = 1; i < log.size(); ++i) {
    EXPECT_FALSE(log[i] == "batch" && log[i - 1] == "batch");
  }
}

TEST(Messaging, CallsBatchEndBeforeAStop) {
  SimSystem sim;
  std::vector<std::string> log;
  const auto recorder = sim.spawn<Recorder>({.restart = Restart::temporary}, std::ref(log)).value();
  ASSERT_TRUE(recorder.tell(Normal{1}));
  ASSERT_TRUE(recorder.tell(Leave{}));
  sim.run_until_idle();
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(log.back(), "batch");
}

TEST(Messaging, RemoteRefsCarryWhatTheirActorOverrides) {
  struct Remote final : RemoteActor<CounterProtocol> {
    using RemoteActor<CounterProtocol>::send;
    int sum = 0;
    Result<void> send(Add&& add) noexcept override {
      sum += add.by;
      return {};
    }
    Result<void> send(Sum&&, Responder<int>&& responder) noexcept override {
      Responder<int> taken = std::move(responder);
      taken.reply(sum);
      return {};
    }
  };
  Remote remote;
  const Ref<CounterProtocol> ref(remote);
  EXPECT_TRUE(ref.tell(Add{5}));
  std::optional<int> sum;
  ref.ask_from_outside(Sum{}, [&](Result<int>&& result) { sum = result.value(); });
  EXPECT_EQ(sum, 5);
  EXPECT_EQ(ref.tell(Quit{}).error().code, Code::unsupported);
}

}  // namespace
}  // namespace aspen::actor
