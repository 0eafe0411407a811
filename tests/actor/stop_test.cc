// The ordered stop of a tree, names, and crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "node/actor/sim_system.h"
#include "tests/actor/counter.h"

namespace aspen::actor {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

struct Hold {
  Responder<int> responder;
};
using NodeProtocol = Protocol<Hold, Sum>;

// A tree of the given depth with two children each, that notes its ends.
class Branch final : public Actor<Branch, NodeProtocol> {
 public:
  Branch(std::string name, int depth, Strings& ends)
      : name_(std::move(name)), depth_(depth), ends_(ends) {}
  ~Branch() { ends_.push_back(name_ + " destroyed"); }
  Result<void> pre_start(Context<Branch>& context) noexcept {
    for (int i = 1; i <= 2 && depth_ > 0; ++i) {
      const std::string name = name_ + std::to_string(i);
      static_cast<void>(context.spawn<Branch>({.name = name}, name, depth_ - 1, std::ref(ends_)));
    }
    return {};
  }
  void post_stop(Context<Branch>& context) noexcept {
    EXPECT_TRUE(context.registry().find<NodeProtocol>(name_));
    ends_.push_back(name_);
  }
  void on(Hold&& hold, Context<Branch>&) noexcept { held_ = std::move(hold.responder); }
  void on(Sum&&, Responder<int>&& responder, Context<Branch>&) noexcept { responder.reply(1); }

 private:
  std::string name_;
  int depth_;
  Strings& ends_;
  Responder<int> held_;
};

TEST(StopLaw, ChildrenEndInReverseOrderOfTheirStartBeforeTheirParent) {
  Strings ends;
  SimSystem sim(SystemOptions{.seed = 9});
  ASSERT_TRUE(sim.spawn<Branch>({.name = "a"}, std::string("a"), 2, std::ref(ends)));
  ASSERT_TRUE(sim.spawn<Branch>({.name = "b"}, std::string("b"), 0, std::ref(ends)));
  sim.run_until_idle();
  ASSERT_TRUE(sim.registry().find<NodeProtocol>("a12"));
  sim.stop();
  sim.run_until_idle();
  EXPECT_TRUE(sim.stopped());
  std::erase_if(ends, [](const std::string& text) { return text.ends_with("destroyed"); });
  EXPECT_EQ(ends, (Strings{"b", "a22", "a21", "a2", "a12", "a11", "a1", "a"}));
  EXPECT_EQ(sim.registry().find<NodeProtocol>("a12").error().code, Code::not_found);
  EXPECT_TRUE(sim.snapshot().empty());
}

TEST(StopLaw, AnswersWhatIsHeldAndWhatWaits) {
  Strings ends;
  SimSystem sim;
  const auto branch = sim.spawn<Branch>({.name = "a"}, std::string("a"), 0, std::ref(ends)).value();
  std::vector<Code> codes;
  const auto note = [&](Result<int>&& answer) { codes.push_back(answer.error().code); };
  ASSERT_TRUE(branch.tell(Hold{Responder<int>::calling(note)}));
  sim.run_until_idle();
  sim.stop();
  sim.run_until_idle();
  EXPECT_EQ(codes, (std::vector<Code>{Code::connection_lost}));
}

TEST(NameLaw, ANameHasOneOwnerAndOneProtocol) {
  SimSystem sim;
  const auto counter = sim.spawn<Counter>({.name = "raft"}).value();
  EXPECT_EQ(sim.spawn<Counter>({.name = "raft"}).error().code, Code::already_exists);
  EXPECT_EQ(sim.registry().find<CounterProtocol>("raft").value(), counter);
  EXPECT_EQ(sim.registry().find<NodeProtocol>("raft").error().code, Code::failed_precondition);
  EXPECT_EQ(sim.registry().find<CounterProtocol>("none").error().code, Code::not_found);
  EXPECT_EQ(sim.spawn<Counter>({.name = std::string(65, 'x')}).error().code,
            Code::invalid_argument);
}

TEST(NameLaw, ANameIsFreeAfterItsOwnerIsGone) {
  SimSystem sim;
  const auto first = sim.spawn<Counter>({.name = "n", .restart = Restart::temporary}).value();
  ASSERT_TRUE(first.tell(Quit{}));
  sim.run_until_idle();
  const auto second = sim.spawn<Counter>({.name = "n"});
  ASSERT_TRUE(second);
  EXPECT_FALSE(*second == first);
}

TEST(OptionsLaw, OptionsOutOfTheirLimitsAreRefused) {
  SimSystem sim;
  EXPECT_EQ(sim.spawn<Counter>({.mailbox_capacity = 0}).error().code, Code::invalid_argument);
  EXPECT_EQ(sim.spawn<Counter>({.restarts_max = 65}).error().code, Code::invalid_argument);
  EXPECT_EQ(sim.spawn<Counter>({.backoff_min = 2s, .backoff_max = 1s}).error().code,
            Code::invalid_argument);
}

TEST(CrashLaw, EndsAllWithoutHooksAndRefsFindNobody) {
  Strings ends;
  SimSystem sim;
  const auto branch = sim.spawn<Branch>({.name = "a"}, std::string("a"), 1, std::ref(ends)).value();
  sim.run_until_idle();
  int answers = 0;
  branch.ask_from_outside(Sum{}, [&](Result<int>&& answer) {
    EXPECT_FALSE(answer);
    ++answers;
  });
  sim.crash();
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(ends.size(), 3u);
  for (const std::string& end : ends) EXPECT_TRUE(end.ends_with("destroyed"));
  EXPECT_EQ(branch.tell(Hold{}).error().code, Code::not_found);
  EXPECT_EQ(sim.spawn<Counter>({}).error().code, Code::shutting_down);
  sim.run_for(1s);
}

TEST(CrashLaw, AnotherNodeOfTheWorldGoesOn) {
  SimWorld world(4);
  SimSystem one({.seed = 1}, world);
  auto two = std::make_unique<SimSystem>(SystemOptions{.seed = 2}, world);
  const auto counter = one.spawn<Counter>({}).value();
  const auto other = two->spawn<Counter>({}).value();
  ASSERT_TRUE(counter.tell(Add{1}));
  ASSERT_TRUE(other.tell(Add{1}));
  two->crash();
  world.run_for(1s);
  EXPECT_EQ(other.tell(Add{1}).error().code, Code::not_found);
  two.reset();
  ASSERT_TRUE(counter.tell(Add{1}));
  world.run_for(1s);
  EXPECT_EQ(one.snapshot().at(0).handled, 2u);
}

}  // namespace
}  // namespace aspen::actor
