// What an operator sees of a system's actors, and how one is ended.
#include "node/gateway/actors.h"

#include <gtest/gtest.h>

#include "node/actor/sim_system.h"

namespace aspen::gateway {
namespace {

using namespace std::chrono_literals;

class Leaf final : public actor::Actor<Leaf, actor::Protocol<>> {};

class Branch final : public actor::Actor<Branch, actor::Protocol<>> {
 public:
  Result<void> pre_start(actor::Context<Branch>& context) noexcept {
    static_cast<void>(context.spawn<Leaf>({.name = "leaf"}));
    return {};
  }
};

struct ActorsLaw : ::testing::Test {
  ActorsLaw() {
    static_cast<void>(sim.spawn<Branch>({.name = "branch"}).value());
    static_cast<void>(sim.spawn<Leaf>({.name = "other"}));
    sim.run_until_idle();
  }
  [[nodiscard]] std::vector<std::string> names(std::uint64_t root) const {
    std::vector<std::string> out;
    const auto lines = actors.tree(root);
    for (const ActorLine& line : *lines) out.push_back(line.name);
    return out;
  }
  [[nodiscard]] ActorLine line(const std::string& name) const {
    const auto lines = actors.tree(0);
    for (const ActorLine& found : *lines) {
      if (found.name == name) return found;
    }
    return {};
  }

  actor::SimSystem sim;
  SystemActors actors{sim};
};

using Names = std::vector<std::string>;

TEST_F(ActorsLaw, ATreeBeginsAtTheActorThatIsNamed) {
  EXPECT_EQ(names(0), (Names{"", "branch", "other", "leaf"}));
  EXPECT_EQ(names(line("branch").id), (Names{"branch", "leaf"}));
  EXPECT_EQ(names(line("leaf").id), Names{"leaf"});
  EXPECT_EQ(actors.tree(99).error().code, Code::not_found);
}

TEST_F(ActorsLaw, AnActorIsEndedByNameOrIdAndItsSupervisorDecides) {
  const std::uint64_t id = line("leaf").id;
  EXPECT_EQ(actors.end(std::string("leaf"), EndAs::failed).value().restarts, 0U);
  sim.run_for(1s);
  EXPECT_EQ(line("leaf").restarts, 1U);
  ASSERT_TRUE(actors.end(id, EndAs::stopped));
  sim.run_for(1s);
  EXPECT_EQ(line("leaf").restarts, 2U);
  EXPECT_EQ(line("branch").restarts, 0U);
}

TEST_F(ActorsLaw, WhatCannotBeEndedIsRefused) {
  EXPECT_EQ(actors.end(std::string("nobody"), EndAs::failed).error().code, Code::not_found);
  EXPECT_EQ(actors.end(std::string(), EndAs::failed).error().code, Code::not_found);
  EXPECT_EQ(actors.end(std::uint64_t{1}, EndAs::failed).error().code, Code::failed_precondition);
}

}  // namespace
}  // namespace aspen::gateway
