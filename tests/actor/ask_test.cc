// Asks: the continuation runs once, with the answer or with what is known about it.
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <vector>

#include "node/actor/sim_system.h"
#include "tests/actor/counter.h"

namespace aspen::actor {
namespace {

using namespace std::chrono_literals;

struct Question {
  using Reply = int;
  int number;
};
struct AnswerAll {};
struct DropAll {};
using OracleProtocol = Protocol<Question, AnswerAll, DropAll, Fail, Quit>;

// Keeps what it is asked until it is told to answer.
class Oracle final : public Actor<Oracle, OracleProtocol> {
 public:
  void on(Question&& question, Responder<int>&& responder, Context<Oracle>&) noexcept {
    kept_.emplace_back(question.number, std::move(responder));
  }
  void on(AnswerAll&&, Context<Oracle>&) noexcept {
    for (auto& [number, responder] : kept_) responder.reply(number * 2);
    kept_.clear();
  }
  void on(DropAll&&, Context<Oracle>&) noexcept { kept_.clear(); }
  void on(Fail&&, Context<Oracle>& context) noexcept {
    context.fail(Error{Code::corrupt, "asked to fail"});
  }
  void on(Quit&&, Context<Oracle>& context) noexcept { context.stop(); }

 private:
  std::vector<std::pair<int, Responder<int>>> kept_;
};

struct Ask {
  int number;
  Duration timeout;
};
using AskerProtocol = Protocol<Ask, Fail, Quit>;
using Answers = std::vector<Result<int>>;

class Asker final : public Actor<Asker, AskerProtocol> {
 public:
  Asker(Ref<OracleProtocol> oracle, Answers& answers) : oracle_(oracle), answers_(answers) {}
  void on(Ask&& ask, Context<Asker>& context) noexcept {
    const auto sent = context.ask(oracle_, Question{ask.number}, ask.timeout,
                                  [](Asker& self, Result<int>&& answer, Context<Asker>&) noexcept {
                                    self.answers_.push_back(answer);
                                  });
    if (!sent) answers_.emplace_back(tl::unexpected<Error>(sent.error()));
  }
  void on(Fail&&, Context<Asker>& context) noexcept {
    context.fail(Error{Code::corrupt, "asked to fail"});
  }
  void on(Quit&&, Context<Asker>& context) noexcept { context.stop(); }

 private:
  Ref<OracleProtocol> oracle_;
  Answers& answers_;
};

struct Fixture : testing::Test {
  SimSystem sim{SystemOptions{.seed = 7}};
  Answers answers;
  Ref<OracleProtocol> oracle = sim.spawn<Oracle>({.name = "oracle"}).value();
  Ref<AskerProtocol> asker = sim.spawn<Asker>({.name = "asker"}, oracle, std::ref(answers)).value();

  [[nodiscard]] ActorStats stats(std::string_view name) {
    for (const ActorStats& line : sim.snapshot()) {
      if (line.name == name) return line;
    }
    return {};
  }
};
struct AskLaw : Fixture {};

TEST_F(AskLaw, RunsTheContinuationWithTheAnswer) {
  ASSERT_TRUE(asker.tell(Ask{21, 1s}));
  sim.run_until_idle();
  EXPECT_TRUE(answers.empty());
  ASSERT_TRUE(oracle.tell(AnswerAll{}));
  sim.run_for(10s);
  EXPECT_EQ(answers, (Answers{42}));
}

TEST_F(AskLaw, TimesOutAtTheDeadlineAndCountsTheLateAnswer) {
  ASSERT_TRUE(asker.tell(Ask{1, 100ms}));
  ASSERT_TRUE(asker.tell(Ask{2, 50ms}));
  ASSERT_TRUE(asker.tell(Ask{3, 200ms}));
  sim.run_for(49ms);
  EXPECT_TRUE(answers.empty());
  sim.run_for(1ms);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().code, Code::timed_out);
  sim.run_for(50ms);
  EXPECT_EQ(answers.size(), 2u);
  ASSERT_TRUE(oracle.tell(AnswerAll{}));
  sim.run_for(1s);
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[2].value(), 6);
  EXPECT_EQ(stats("asker").late_answers, 2u);
}

TEST_F(AskLaw, ADroppedResponderAnswersOutcomeUnknown) {
  ASSERT_TRUE(asker.tell(Ask{1, 1s}));
  sim.run_until_idle();
  ASSERT_TRUE(oracle.tell(DropAll{}));
  sim.run_until_idle();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(outcome_unknown(answers[0].error().code));
}

TEST_F(AskLaw, AFailureOfTheAskedActorAnswersOutcomeUnknown) {
  ASSERT_TRUE(asker.tell(Ask{1, 10s}));
  sim.run_until_idle();
  ASSERT_TRUE(oracle.tell(Fail{}));
  sim.run_until_idle();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().code, Code::connection_lost);
}

// Requests that no handler has seen are certainly without effect.
TEST_F(AskLaw, AStopAnswersUnhandledRequestsWithShuttingDown) {
  SimSystem other(SystemOptions{.seed = 3});
  const auto slow = other.spawn<Oracle>({.restart = Restart::temporary}).value();
  std::vector<Code> codes;
  const auto note = [&](Result<int>&& answer) { codes.push_back(answer.error().code); };
  ASSERT_TRUE(slow.tell(Quit{}));
  slow.ask_from_outside(Question{1}, note);
  slow.ask_from_outside(Question{2}, note);
  other.run_until_idle();
  slow.ask_from_outside(Question{3}, note);
  EXPECT_EQ(codes, (std::vector<Code>{Code::shutting_down, Code::shutting_down, Code::not_found}));
}

TEST_F(AskLaw, ARefusedRequestIsAnErrorAndNoContinuation) {
  const auto tiny = sim.spawn<Oracle>({.mailbox_capacity = 1, .backoff_min = 1s}).value();
  Answers seen;
  const auto other = sim.spawn<Asker>({}, tiny, std::ref(seen)).value();
  ASSERT_TRUE(tiny.tell(Fail{}));
  sim.run_until_idle();
  ASSERT_TRUE(tiny.tell(DropAll{}));  // fills the mailbox until the restart
  ASSERT_TRUE(other.tell(Ask{1, 100ms}));
  sim.run_until_idle();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].error().code, Code::overloaded);
  sim.run_for(10s);
  EXPECT_EQ(seen.size(), 1u);
}

// The new instance must not see answers to what the former one has asked.
TEST_F(AskLaw, ARestartOfTheAskingActorForgetsItsRequests) {
  ASSERT_TRUE(asker.tell(Ask{1, 10s}));
  sim.run_until_idle();
  ASSERT_TRUE(asker.tell(Fail{}));
  sim.run_for(1s);
  ASSERT_TRUE(asker.tell(Ask{2, 10s}));
  sim.run_until_idle();
  ASSERT_TRUE(oracle.tell(AnswerAll{}));
  sim.run_for(20s);
  EXPECT_EQ(answers, (Answers{4}));
  EXPECT_EQ(stats("asker").late_answers, 1u);
  EXPECT_EQ(stats("asker").restarts, 1u);
}

TEST_F(AskLaw, AnAnswerToAStoppedActorIsDropped) {
  ASSERT_TRUE(asker.tell(Ask{1, 10s}));
  sim.run_until_idle();
  sim.stop();
  sim.run_until_idle();
  EXPECT_TRUE(sim.stopped());
  EXPECT_TRUE(answers.empty());
}

TEST_F(AskLaw, ARequestCanBePassedOnWithItsResponder) {
  class Deputy final : public Actor<Deputy, Protocol<Question>> {
   public:
    explicit Deputy(Ref<OracleProtocol> oracle) : oracle_(oracle) {}
    void on(Question&& question, Responder<int>&& responder, Context<Deputy>&) noexcept {
      EXPECT_TRUE(oracle_.request(std::move(question), std::move(responder)));
      EXPECT_FALSE(responder);
    }

   private:
    Ref<OracleProtocol> oracle_;
  };
  const auto deputy = sim.spawn<Deputy>({}, oracle).value();
  std::optional<int> answer;
  deputy.ask_from_outside(Question{4}, [&](Result<int>&& result) { answer = result.value(); });
  sim.run_until_idle();
  ASSERT_TRUE(oracle.tell(AnswerAll{}));
  sim.run_until_idle();
  EXPECT_EQ(answer, 8);
}

TEST_F(AskLaw, TheTableOfOpenRequestsIsBounded) {
  AskTable table;
  struct Waiting : ContinuationBase {
    static void drop(Node& node, Code) noexcept { std::destroy_at(&payload<Waiting>(node)); }
  };
  static constexpr MessageType type{nullptr, &Waiting::drop};
  for (std::size_t i = 0; i < limits::asks_pending_max; ++i) {
    ASSERT_FALSE(table.full());
    static_cast<void>(table.put(make_node(type, Waiting{}), Instant::never()));
  }
  EXPECT_TRUE(table.full());
  const AskTable::Key key{5, 0};
  Node* const node = table.take(key);
  ASSERT_NE(node, nullptr);
  drop_node(*node, Code::ok);
  EXPECT_EQ(table.take(key), nullptr);
  EXPECT_FALSE(table.full());
}

}  // namespace
}  // namespace aspen::actor
