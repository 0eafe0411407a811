// Lets the plan's faults happen, each at its time, and keeps the budget: what they do together may
// never destroy the last quorum of an acknowledged entry, so that an alarm is always a bug of the
// product and not a breach of its assumptions.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <vector>

#include "tests/sim/dice.h"
#include "tests/sim/node/plan.h"

namespace aspen::sim::node {

class World;

// Which disks may still be damaged beyond what a crash does. A minority of the members may lose
// what was durable; crashes, however many, destroy nothing that a disk promised.
class Budget {
 public:
  explicit Budget(std::size_t members) : members_(members) {}
  [[nodiscard]] bool may_damage(std::size_t node) const {
    return damaged_.contains(node) || 2 * (damaged_.size() + 1) < members_;
  }
  // Precondition: may_damage(node).
  void damage(std::size_t node);
  [[nodiscard]] const std::set<std::size_t>& damaged() const noexcept { return damaged_; }

 private:
  std::size_t members_;
  std::set<std::size_t> damaged_;
};

// Bit `to` of row `from`: nothing goes that way.
using Cut = std::array<std::uint8_t, nodes_max>;
[[nodiscard]] Cut draw_cut(std::size_t nodes, std::size_t leader, Dice& dice);

class Faults {
 public:
  explicit Faults(World& world) : world_(world), budget_(world_nodes(world)) {}

  // Schedules all faults of the plan that are not left out.
  void start();
  // No fault happens any more, and all cuts end.
  void heal();
  [[nodiscard]] const Budget& budget() const noexcept { return budget_; }

 private:
  [[nodiscard]] static std::size_t world_nodes(const World& world);
  void happen(const Fault& fault);
  void strike_pair(const Fault& fault, std::size_t node, std::size_t peer);
  void strike_disk(const Fault& fault, std::size_t node);
  void crash_some(const Fault& fault, Dice& dice);
  void partition(const Fault& fault, std::size_t node, Dice& dice);
  void toggle(std::size_t place);
  void apply(const Cut& cut, bool closed);

  struct Lasting {
    Cut cut{};
    bool closed = false;
    Time until = 0;
    Time flap = 0;  // mean time between closing and opening, 0: it stays
    Dice dice;
  };

  World& world_;
  Budget budget_;
  std::vector<Lasting> cuts_;
  bool over_ = false;
};

}  // namespace aspen::sim::node
