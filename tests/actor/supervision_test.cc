// Supervision: who is restarted, when, how often, with what kept, and what happens beyond that.
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "node/actor/sim_system.h"
#include "node/actor/supervision.h"
#include "tests/actor/counter.h"

namespace aspen::actor {
namespace {

using namespace std::chrono_literals;

struct Event {
  std::int64_t at_ms;
  std::string what;
};
using Events = std::vector<Event>;
using Strings = std::vector<std::string>;

[[nodiscard]] Strings texts(const Events& events) {
  Strings out;
  for (const Event& event : events) out.push_back(event.what);
  return out;
}

struct Note {
  int number;
};
using ChildProtocol = Protocol<Note, Fail, Quit>;

class Child final : public Actor<Child, ChildProtocol> {
 public:
  Child(std::string name, Events& events) : name_(std::move(name)), events_(events) { ++instances; }
  ~Child() { --instances; }
  Result<void> pre_start(Context<Child>& context) noexcept {
    EXPECT_EQ(instances, 1);
    note("pre_start", context);
    return {};
  }
  void post_start(Context<Child>& context) noexcept { note("post_start", context); }
  void post_stop(Context<Child>& context) noexcept { note("post_stop", context); }
  void on(Note&& m, Context<Child>& context) noexcept {
    note(("note" + std::to_string(m.number)).c_str(), context);
  }
  void on(Fail&&, Context<Child>& context) noexcept {
    context.fail(Error{Code::corrupt, "asked to fail", 17});
  }
  void on(Quit&&, Context<Child>& context) noexcept { context.stop(); }

  static inline int instances = 0;

 private:
  void note(const char* what, Context<Child>& context) {
    events_.push_back({context.now().ns / 1'000'000, name_ + " " + what});
  }
  std::string name_;
  Events& events_;
};

struct SupervisionLaw : testing::Test {
  Events events;
  std::vector<Error> given_up;
  SimSystem sim{
      SystemOptions{.seed = 5, .on_give_up = [this](Error error) { given_up.push_back(error); }}};

  Ref<ChildProtocol> child(ChildOptions options) {
    return sim.spawn<Child>(std::move(options), std::string("c"), std::ref(events)).value();
  }
  void fail_after(const Ref<ChildProtocol>& ref, Duration delay) {
    sim.run_for(delay);
    ASSERT_TRUE(ref.tell(Fail{}));
    sim.run_until_idle();
  }
};

TEST_F(SupervisionLaw, ARestartKeepsRefNameAndMailbox) {
  const auto ref = child({.name = "kept"});
  ASSERT_TRUE(ref.tell(Note{1}));
  ASSERT_TRUE(ref.tell(Fail{}));
  ASSERT_TRUE(ref.tell(Note{2}));
  sim.run_until_idle();
  ASSERT_TRUE(ref.tell(Note{3}));  // it waits for its restart
  EXPECT_EQ(sim.registry().find<ChildProtocol>("kept").value(), ref);
  sim.run_for(1s);
  EXPECT_EQ(texts(events), (Strings{"c pre_start", "c post_start", "c note1", "c post_stop",
                                    "c pre_start", "c post_start", "c note2", "c note3"}));
}

TEST_F(SupervisionLaw, RestartsAsTheOptionSays) {
  struct Case {
    Restart restart;
    bool failure;
    std::size_t starts;
  };
  for (const Case& each : {Case{Restart::permanent, true, 2}, Case{Restart::permanent, false, 2},
                           Case{Restart::transient, true, 2}, Case{Restart::transient, false, 1},
                           Case{Restart::temporary, true, 1}, Case{Restart::temporary, false, 1}}) {
    events.clear();
    SimSystem own;
    const auto ref =
        own.spawn<Child>({.restart = each.restart}, std::string("c"), std::ref(events)).value();
    if (each.failure) {
      ASSERT_TRUE(ref.tell(Fail{}));
    } else {
      ASSERT_TRUE(ref.tell(Quit{}));
    }
    own.run_for(1s);
    const Strings seen = texts(events);
    EXPECT_EQ(static_cast<std::size_t>(std::count(seen.begin(), seen.end(), "c pre_start")),
              each.starts);
    EXPECT_EQ(ref.tell(Note{1}).has_value(), each.starts == 2);
  }
}

TEST_F(SupervisionLaw, GivesUpAtTheFirstEndBeyondTheWindowsNumber) {
  const auto ref = child({.restarts_max = 3, .restart_window = 10s, .backoff_max = 10ms});
  for (int i = 0; i < 3; ++i) fail_after(ref, 1s);
  sim.run_for(1s);
  EXPECT_TRUE(given_up.empty());
  ASSERT_TRUE(ref.tell(Fail{}));
  sim.run_until_idle();
  ASSERT_EQ(given_up.size(), 1u);
  EXPECT_EQ(given_up[0], (Error{Code::corrupt, "asked to fail", 17}));
  EXPECT_TRUE(sim.stopped());
  EXPECT_EQ(ref.tell(Note{1}).error().code, Code::not_found);
}

// The window slides: what a counter that is reset after a quiet gap would give up in the end.
TEST_F(SupervisionLaw, NeverGivesUpOnSlowFailures) {
  const auto ref = child({.restarts_max = 3, .restart_window = 10s, .backoff_max = 10ms});
  for (int i = 0; i < 100; ++i) fail_after(ref, 3400ms);
  sim.run_for(1s);
  EXPECT_TRUE(given_up.empty());
  EXPECT_EQ(sim.snapshot().at(0).restarts, 100u);
}

// What an actor stands on may be away for long: that is no reason to end the process.
TEST_F(SupervisionLaw, InterruptionsAreRestartedAndDoNotCount) {
  struct Interrupt {};
  class Interrupted final : public Actor<Interrupted, Protocol<Interrupt, Fail>> {
   public:
    void on(Interrupt&&, Context<Interrupted>& context) noexcept {
      context.interrupt(Error{Code::no_space, "no room"});
    }
    void on(Fail&&, Context<Interrupted>& context) noexcept {
      context.fail(Error{Code::corrupt, "asked to fail"});
    }
  };
  const auto ref = sim.spawn<Interrupted>({.restarts_max = 1, .backoff_max = 100ms}).value();
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(ref.tell(Interrupt{}));
    sim.run_for(200ms);
  }
  ASSERT_TRUE(ref.tell(Fail{}));
  sim.run_for(200ms);
  EXPECT_TRUE(given_up.empty());
  EXPECT_EQ(sim.snapshot().at(0).restarts, 31u);
  ASSERT_TRUE(ref.tell(Fail{}));
  sim.run_for(200ms);
  ASSERT_EQ(given_up.size(), 1u);
  EXPECT_EQ(given_up[0].code, Code::corrupt);
}

TEST(RestartWindowLaw, CountsWhatIsLessThanAWindowAgo) {
  const ChildOptions options{.restarts_max = 2, .restart_window = 10s};
  RestartWindow window;
  const auto at = [](int s) { return Instant{} + std::chrono::seconds(s); };
  EXPECT_TRUE(window.admit(at(0), options));
  EXPECT_TRUE(window.admit(at(9), options));
  EXPECT_FALSE(window.admit(at(9), options));
  EXPECT_TRUE(window.admit(at(10), options));  // the first is a whole window ago
  EXPECT_FALSE(window.admit(at(18), options));
  EXPECT_TRUE(window.admit(at(19), options));
}

TEST(BackoffLaw, DoublesUpToTheLongestAndStaysInItsUpperHalf) {
  const ChildOptions options{.backoff_min = 10ms, .backoff_max = 1s};
  Prng prng(42);
  bool differs = false;
  for (std::size_t number = 1; number < 20; ++number) {
    const Duration whole =
        std::min<Duration>(10ms * (1 << std::min<std::size_t>(number - 1, 10)), 1s);
    const Duration first = backoff(options, number, prng);
    for (int i = 0; i < 50; ++i) {
      const Duration delay = backoff(options, number, prng);
      EXPECT_LE(delay, whole);
      EXPECT_GE(delay, whole / 2);
      differs = differs || delay != first;
    }
  }
  EXPECT_TRUE(differs);
}

TEST_F(SupervisionLaw, ARestartWaitsForItsBackoffInVirtualTime) {
  const auto ref = child({.backoff_min = 100ms, .backoff_max = 10s});
  sim.run_until_idle();
  events.clear();
  fail_after(ref, 0ms);
  sim.run_for(49ms);
  EXPECT_EQ(texts(events), (Strings{"c post_stop"}));
  sim.run_for(51ms);
  EXPECT_EQ(texts(events), (Strings{"c post_stop", "c pre_start", "c post_start"}));
  events.clear();
  fail_after(ref, 0ms);
  sim.run_for(99ms);
  EXPECT_EQ(texts(events), (Strings{"c post_stop"}));
  sim.run_for(101ms);
  EXPECT_EQ(events.size(), 3u);
}

TEST_F(SupervisionLaw, AFailedStartIsAFailureWithoutPostStop) {
  class Stillborn final : public Actor<Stillborn, Protocol<Note>> {
   public:
    explicit Stillborn(Events& events) : events_(events) {}
    Result<void> pre_start(Context<Stillborn>&) noexcept {
      events_.push_back({0, "pre_start"});
      return aspen::fail(Code::no_space, "no room");
    }
    void post_stop(Context<Stillborn>&) noexcept { events_.push_back({0, "post_stop"}); }
    void on(Note&&, Context<Stillborn>&) noexcept {}

   private:
    Events& events_;
  };
  static_cast<void>(sim.spawn<Stillborn>({.restarts_max = 2}, std::ref(events)).value());
  sim.run_for(10s);
  EXPECT_EQ(texts(events), (Strings{"pre_start", "pre_start", "pre_start"}));
  ASSERT_EQ(given_up.size(), 1u);
  EXPECT_EQ(given_up[0].code, Code::no_space);
}

struct GetChild {
  using Reply = Ref<ChildProtocol>;
};
using ParentProtocol = Protocol<GetChild, Quit>;

class Parent final : public Actor<Parent, ParentProtocol> {
 public:
  Parent(Events& events, ChildOptions options) : events_(events), options_(std::move(options)) {}
  Result<void> pre_start(Context<Parent>& context) noexcept {
    note("pre_start", context);
    child_ = context.spawn<Child>(options_, std::string("c"), std::ref(events_));
    return {};
  }
  void post_stop(Context<Parent>& context) noexcept { note("post_stop", context); }
  void child_ended(const ChildEnd& end, Context<Parent>& context) noexcept {
    EXPECT_EQ(end.child, child_.address());
    note(end.error ? "child failed" : "child stopped", context);
  }
  void on(GetChild&&, Responder<Ref<ChildProtocol>>&& responder, Context<Parent>&) noexcept {
    responder.reply(child_);
  }
  void on(Quit&&, Context<Parent>& context) noexcept { context.stop_child(child_); }

 private:
  void note(const char* what, Context<Parent>& context) {
    events_.push_back({context.now().ns / 1'000'000, std::string("p ") + what});
  }
  Events& events_;
  ChildOptions options_;
  Ref<ChildProtocol> child_;
};

struct EscalationLaw : SupervisionLaw {
  Ref<ParentProtocol> parent(ChildOptions parent_options, ChildOptions child_options) {
    return sim.spawn<Parent>(std::move(parent_options), std::ref(events), child_options).value();
  }
  Ref<ChildProtocol> child_of(const Ref<ParentProtocol>& ref) {
    Ref<ChildProtocol> found;
    ref.ask_from_outside(GetChild{},
                         [&](Result<Ref<ChildProtocol>>&& result) { found = result.value(); });
    sim.run_until_idle();
    return found;
  }
};

TEST_F(EscalationLaw, ASupervisorThatGivesUpFailsAndIsRestartedWithNewChildren) {
  const auto ref = parent({}, {.restarts_max = 0});
  const auto first = child_of(ref);
  events.clear();
  ASSERT_TRUE(first.tell(Fail{}));
  sim.run_for(1s);
  EXPECT_EQ(texts(events),
            (Strings{"c post_stop", "p post_stop", "p pre_start", "c pre_start", "c post_start"}));
  const auto second = child_of(ref);
  EXPECT_FALSE(first == second);
  EXPECT_EQ(first.tell(Note{1}).error().code, Code::not_found);
  EXPECT_TRUE(given_up.empty());
}

TEST_F(EscalationLaw, TheErrorReachesTheRootUnchanged) {
  const auto ref = parent({.restarts_max = 0}, {.restarts_max = 0});
  ASSERT_TRUE(child_of(ref).tell(Fail{}));
  sim.run_for(1s);
  ASSERT_EQ(given_up.size(), 1u);
  EXPECT_EQ(given_up[0], (Error{Code::corrupt, "asked to fail", 17}));
  EXPECT_TRUE(sim.stopped());
}

// What an operator sees of a tree: parents before children, ids that outlive restarts.
TEST_F(EscalationLaw, TheTreeShowsWhoSupervisesWhomThroughRestarts) {
  const auto ref = parent({.name = "p"}, {.name = "c", .backoff_min = 1s, .backoff_max = 1s});
  const auto child = child_of(ref);
  auto lines = sim.tree();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].parent, 0u);
  EXPECT_EQ(lines[1].name, "p");
  EXPECT_EQ(lines[1].parent, lines[0].id);
  EXPECT_EQ(lines[2].name, "c");
  EXPECT_EQ(lines[2].parent, lines[1].id);
  EXPECT_EQ(lines[2].state, ActorState::running);
  EXPECT_EQ(lines[2].mailbox_max, limits::mailbox_messages_default);
  ASSERT_TRUE(child.tell(Fail{}));
  sim.run_until_idle();
  EXPECT_EQ(sim.tree()[2].state, ActorState::restarting);
  sim.run_for(2s);
  EXPECT_EQ(sim.tree()[2].state, ActorState::running);
  EXPECT_EQ(sim.tree()[2].id, lines[2].id);
  EXPECT_EQ(sim.tree()[2].restarts, 1u);
  ASSERT_TRUE(sim.stop_actor(lines[1].id));
  sim.run_for(2s);
  lines = sim.tree();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1].restarts, 1u);
  EXPECT_EQ(lines[2].restarts, 0u);  // another child
}

// Each decision of a supervisor is told, with the child's name and the reason.
TEST(FailureNotes, TellWhatFailedAndWhatFollows) {
  std::vector<std::string> notes;
  SystemOptions options;
  options.on_failure = [&notes](const FailureNote& note) {
    notes.push_back(note.name + (note.remedy == Remedy::restart ? " restarts: " : " escalates: ") +
                    note.error.what);
  };
  SimSystem sim(std::move(options));
  Events events;
  const auto ref =
      sim.spawn<Child>({.name = "c", .restarts_max = 1}, std::string("c"), std::ref(events))
          .value();
  ASSERT_TRUE(ref.tell(Fail{}));
  sim.run_for(1s);
  ASSERT_TRUE(ref.tell(Quit{}));
  sim.run_for(1s);
  EXPECT_EQ(notes, (Strings{"c restarts: asked to fail",
                            "c escalates: a permanent actor keeps stopping"}));
}

TEST_F(EscalationLaw, ASupervisorIsToldOfAChildThatIsGoneForGood) {
  const auto ref = parent({}, {.restart = Restart::temporary});
  ASSERT_TRUE(child_of(ref).tell(Fail{}));
  sim.run_until_idle();
  EXPECT_EQ(events.back().what, "p child failed");
}

TEST_F(EscalationLaw, AStoppedChildIsNotRestarted) {
  const auto ref = parent({}, {.restart = Restart::permanent});
  const auto child = child_of(ref);
  ASSERT_TRUE(ref.tell(Quit{}));
  sim.run_for(10s);
  EXPECT_EQ(events.back().what, "p child stopped");
  EXPECT_EQ(child.tell(Note{1}).error().code, Code::not_found);
}

TEST_F(EscalationLaw, AStoppedChildThatBacksOffIsGoneAtOnce) {
  const auto ref = parent({}, {.backoff_min = 1s, .backoff_max = 1s});
  const auto child = child_of(ref);
  ASSERT_TRUE(child.tell(Fail{}));
  sim.run_until_idle();
  ASSERT_TRUE(child.tell(Note{1}));
  ASSERT_TRUE(ref.tell(Quit{}));
  sim.run_until_idle();
  EXPECT_EQ(child.tell(Note{1}).error().code, Code::not_found);
  sim.run_for(10s);
  EXPECT_EQ(events.back().what, "p child stopped");
}

TEST_F(SupervisionLaw, AnImpossibleSpawnFailsTheSpawner) {
  class Twice final : public Actor<Twice, Protocol<Note>> {
   public:
    explicit Twice(Events& events) : events_(events) {}
    Result<void> pre_start(Context<Twice>& context) noexcept {
      const auto one = context.spawn<Child>({.name = "same"}, std::string("c"), std::ref(events_));
      EXPECT_TRUE(one);
      const auto two = context.spawn<Child>({.name = "same"}, std::string("d"), std::ref(events_));
      EXPECT_FALSE(two);
      return {};
    }
    void on(Note&&, Context<Twice>&) noexcept {}

   private:
    Events& events_;
  };
  static_cast<void>(sim.spawn<Twice>({.restarts_max = 0}, std::ref(events)).value());
  sim.run_for(1s);
  ASSERT_EQ(given_up.size(), 1u);
  EXPECT_EQ(given_up[0].code, Code::already_exists);
  EXPECT_EQ(sim.registry().find<ChildProtocol>("same").error().code, Code::not_found);
}

}  // namespace
}  // namespace aspen::actor
