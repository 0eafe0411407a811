// Lets the plan's faults happen, each at its time. What they do together never destroys the last
// quorum of an acknowledged entry, so that an alarm is always a bug of the product and not a breach
// of its assumptions: crashes destroy nothing that a disk promised, and the operator (operator.h)
// keeps the budget of disks that are lost.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tests/sim/dice.h"
#include "tests/sim/node/plan.h"

namespace aspen::sim::node {

class World;

// Bit `to` of row `from`: nothing goes that way.
using Cut = std::array<std::uint8_t, nodes_max>;
[[nodiscard]] Cut draw_cut(std::size_t nodes, std::size_t leader, Dice& dice);

class Faults {
 public:
  explicit Faults(World& world) : world_(world) {}

  // Schedules all faults of the plan that are not left out.
  void start();
  // No fault happens any more, and all cuts end.
  void heal();

 private:
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
  std::vector<Lasting> cuts_;
  bool over_ = false;
};

}  // namespace aspen::sim::node
