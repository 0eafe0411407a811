// What only real threads can show: nothing is lost, doubled or reordered between them. Meant to run
// under ThreadSanitizer as well.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "node/actor/thread_system.h"
#include "tests/actor/counter.h"
#include "tests/actor/steady_clock.h"

namespace aspen::actor {
namespace {

using namespace std::chrono_literals;

#ifdef ASPEN_SANITIZED
constexpr int scale = 1;
#else
constexpr int scale = 2;
#endif

struct Numbered {
  std::size_t sender;
  int number;
};
struct NumberedHigh {
  static constexpr Priority priority = Priority::high;
  std::size_t sender;
  int number;
};
struct Received {
  using Reply = std::uint64_t;
};
using SinkProtocol = Protocol<Numbered, NumberedHigh, Received>;

// Checks that each sender's messages of one priority come in order and without a gap.
class Sink final : public Actor<Sink, SinkProtocol> {
 public:
  explicit Sink(std::size_t senders) : normal_(senders), high_(senders) {}
  void on(Numbered&& m, Context<Sink>&) noexcept {
    EXPECT_EQ(m.number, normal_[m.sender]++);
    ++received_;
  }
  void on(NumberedHigh&& m, Context<Sink>&) noexcept {
    EXPECT_EQ(m.number, high_[m.sender]++);
    ++received_;
  }
  void on(Received&&, Responder<std::uint64_t>&& responder, Context<Sink>&) noexcept {
    responder.reply(received_);
  }

 private:
  std::vector<int> normal_;
  std::vector<int> high_;
  std::uint64_t received_ = 0;
};

template <class R, class M>
[[nodiscard]] auto ask(const R& ref, M message) {
  using Reply = typename M::Reply;
  auto promise = std::make_shared<std::promise<Result<Reply>>>();
  auto future = promise->get_future();
  ref.ask_from_outside(message, [promise](Result<Reply>&& r) { promise->set_value(std::move(r)); });
  return future.get();
}

struct ThreadLaw : testing::Test {
  SteadyClock clock;
  ThreadSystem system{ThreadOptions{.system = {.workers = 2}}, clock};
};

TEST_F(ThreadLaw, ForeignThreadsLoseNothingAndKeepTheirOrder) {
  constexpr std::size_t senders = 4;
  constexpr int each = 20'000 * scale;
  std::vector<Ref<SinkProtocol>> sinks;
  for (std::size_t i = 0; i < 2; ++i) {
    sinks.push_back(system.spawn<Sink>({.mailbox_capacity = 512, .worker = i}, senders).value());
  }
  system.start();
  std::vector<std::thread> threads;
  for (std::size_t sender = 0; sender < senders; ++sender) {
    threads.emplace_back([&, sender] {
      for (int i = 0; i < each; ++i) {
        for (const auto& sink : sinks) {
          while (!sink.tell(Numbered{sender, i})) std::this_thread::yield();
          while (!sink.tell(NumberedHigh{sender, i})) std::this_thread::yield();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& sink : sinks) {
    // The question has the priority of the last messages and comes behind them.
    std::uint64_t received = 0;
    while (received < senders * each * 2) received = ask(sink, Received{}).value();
    EXPECT_EQ(received, senders * each * 2);
  }
  EXPECT_TRUE(system.stop(10s));
}

struct Ball {
  int bounces;
  std::size_t sender;
};
struct Peers {
  std::vector<Ref<Protocol<Ball, Peers>>> all;
};
using RelayProtocol = Protocol<Ball, Peers>;

// Passes balls on across workers until they are used up.
class Relay final : public Actor<Relay, RelayProtocol> {
 public:
  explicit Relay(std::atomic<int>& done) : done_(done) {}
  void on(Peers&& peers, Context<Relay>&) noexcept { peers_ = std::move(peers); }
  void on(Ball&& ball, Context<Relay>& context) noexcept {
    if (ball.bounces == 0) {
      done_.fetch_add(1);
      return;
    }
    const auto& to = peers_.all[context.prng().below(peers_.all.size())];
    EXPECT_TRUE(to.tell(Ball{ball.bounces - 1, ball.sender}));
  }

 private:
  std::atomic<int>& done_;
  Peers peers_;
};

TEST_F(ThreadLaw, ActorsOfAllWorkersExchangeMessagesWithoutLoss) {
  std::atomic<int> done{0};
  Peers peers;
  for (std::size_t i = 0; i < 8; ++i) {
    peers.all.push_back(system.spawn<Relay>({.worker = i}, std::ref(done)).value());
  }
  for (const auto& peer : peers.all) ASSERT_TRUE(peer.tell(peers));
  system.start();
  constexpr int balls = 64;
  for (int i = 0; i < balls; ++i) {
    ASSERT_TRUE(peers.all[static_cast<std::size_t>(i) % 8].tell(Ball{2'000 * scale, 0}));
  }
  while (done.load() < balls) std::this_thread::yield();
  EXPECT_TRUE(system.stop(10s));
}

struct Round {
  int left;
};
using ClientProtocol = Protocol<Round>;

// Asks counters on both workers, one after the other.
class Client final : public Actor<Client, ClientProtocol> {
 public:
  Client(std::vector<Ref<CounterProtocol>> counters, std::atomic<int>& done)
      : counters_(std::move(counters)), done_(done) {}
  void on(Round&& round, Context<Client>& context) noexcept {
    if (round.left == 0) {
      done_.fetch_add(1);
      return;
    }
    const auto& counter = counters_[static_cast<std::size_t>(round.left) % counters_.size()];
    const auto sent = context.ask(
        counter, Sum{}, 10s,
        [left = round.left](Client& self, Result<int>&& sum, Context<Client>& c) noexcept {
          EXPECT_EQ(sum.value(), 7);
          self.on(Round{left - 1}, c);
        });
    EXPECT_TRUE(sent);
  }

 private:
  std::vector<Ref<CounterProtocol>> counters_;
  std::atomic<int>& done_;
};

TEST_F(ThreadLaw, AsksAcrossWorkersAreAnswered) {
  std::vector<Ref<CounterProtocol>> counters;
  for (std::size_t i = 0; i < 2; ++i) {
    counters.push_back(system.spawn<Counter>({.worker = i}, 7).value());
  }
  std::atomic<int> done{0};
  system.start();
  for (std::size_t i = 0; i < 8; ++i) {
    const auto client = system.spawn<Client>({.worker = i}, counters, std::ref(done)).value();
    ASSERT_TRUE(client.tell(Round{2'000 * scale}));
  }
  while (done.load() < 8) std::this_thread::yield();
  EXPECT_TRUE(system.stop(10s));
}

// Cells are used again while other threads still send to the former actors.
TEST_F(ThreadLaw, RefsToDyingActorsAreSafe) {
  system.start();
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0};
  int asked = 0;
  Ref<CounterProtocol> shared;
  std::mutex mutex;
  std::thread pesterer([&] {
    while (!stop.load()) {
      Ref<CounterProtocol> ref;
      {
        const std::lock_guard<std::mutex> lock(mutex);
        ref = shared;
      }
      static_cast<void>(ref.tell(Add{1}));
      ++asked;
      ref.ask_from_outside(Sum{}, [&](Result<int>&&) { answered.fetch_add(1); });
    }
  });
  for (int i = 0; i < 300; ++i) {
    const auto ref =
        system
            .spawn<Counter>({.restart = Restart::temporary, .worker = static_cast<std::size_t>(i)})
            .value();
    {
      const std::lock_guard<std::mutex> lock(mutex);
      shared = ref;
    }
    while (ref.tell(Quit{}).has_value()) std::this_thread::yield();
  }
  stop.store(true);
  pesterer.join();
  EXPECT_TRUE(system.stop(10s));
  EXPECT_EQ(answered.load(), asked);
}

TEST_F(ThreadLaw, TimersFireInRealTime) {
  struct Ping {};
  class Timed final : public Actor<Timed, Protocol<Ping>> {
   public:
    explicit Timed(std::atomic<int>& pings) : pings_(pings) {}
    Result<void> pre_start(Context<Timed>& context) noexcept {
      timer_ = context.every(1ms, Ping{});
      return {};
    }
    void on(Ping&&, Context<Timed>&) noexcept { pings_.fetch_add(1); }

   private:
    std::atomic<int>& pings_;
    TimerHandle timer_;
  };
  std::atomic<int> pings{0};
  ASSERT_TRUE(system.spawn<Timed>({.worker = 1}, std::ref(pings)));
  system.start();
  while (pings.load() < 20) std::this_thread::yield();
  EXPECT_TRUE(system.stop(10s));
}

// A child that blocks its worker past its deadline is left behind, and the stop goes on.
TEST_F(ThreadLaw, AStopDoesNotWaitForAStuckChildBeyondItsDeadline) {
  struct Block {};
  class Stuck final : public Actor<Stuck, Protocol<Block>> {
   public:
    Stuck(std::atomic<bool>& blocked, std::atomic<bool>& release)
        : blocked_(blocked), release_(release) {}
    void on(Block&&, Context<Stuck>&) noexcept {
      blocked_.store(true);
      while (!release_.load()) std::this_thread::yield();
    }

   private:
    std::atomic<bool>& blocked_;
    std::atomic<bool>& release_;
  };
  struct End {};
  class Witness final : public Actor<Witness, Protocol<End>> {
   public:
    explicit Witness(std::atomic<bool>& ended) : ended_(ended) {}
    void post_stop(Context<Witness>&) noexcept { ended_.store(true); }
    void on(End&&, Context<Witness>&) noexcept {}

   private:
    std::atomic<bool>& ended_;
  };
  std::atomic<bool> blocked{false};
  std::atomic<bool> release{false};
  std::atomic<bool> ended{false};
  ASSERT_TRUE(system.spawn<Witness>({.worker = 0}, std::ref(ended)));
  const auto stuck = system.spawn<Stuck>({.worker = 1, .stop_deadline = 20ms}, std::ref(blocked),
                                         std::ref(release));
  system.start();
  ASSERT_TRUE(stuck.value().tell(Block{}));
  while (!blocked.load()) std::this_thread::yield();
  std::thread stopper([&] { EXPECT_TRUE(system.stop(10s)); });
  while (!ended.load()) std::this_thread::yield();  // the elder sibling, stopped after it
  release.store(true);
  stopper.join();
}

TEST_F(ThreadLaw, FailuresAreRestartedAcrossWorkers) {
  class Keeper final : public Actor<Keeper, Protocol<Add>> {
   public:
    explicit Keeper(std::promise<Ref<CounterProtocol>>& child) : child_(child) {}
    Result<void> pre_start(Context<Keeper>& context) noexcept {
      child_.set_value(
          context.spawn<Counter>({.worker = 1, .backoff_min = 1ms, .backoff_max = 1ms}));
      return {};
    }
    void on(Add&&, Context<Keeper>&) noexcept {}

   private:
    std::promise<Ref<CounterProtocol>>& child_;
  };
  std::promise<Ref<CounterProtocol>> promise;
  ASSERT_TRUE(system.spawn<Keeper>({.worker = 0}, std::ref(promise)));
  system.start();
  const Ref<CounterProtocol> counter = promise.get_future().get();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(counter.tell(Add{1}));
    ASSERT_TRUE(counter.tell(Fail{}));
    ASSERT_TRUE(counter.tell(Add{1}));
    EXPECT_EQ(ask(counter, Sum{}).value(), 1);
  }
  EXPECT_TRUE(system.stop(10s));
}

TEST_F(ThreadLaw, AnUnstartedSystemStops) {
  const auto counter = system.spawn<Counter>({}).value();
  ASSERT_TRUE(counter.tell(Add{1}));
  EXPECT_TRUE(system.stop(1s));
  EXPECT_EQ(counter.tell(Add{1}).error().code, Code::not_found);
}

}  // namespace
}  // namespace aspen::actor
