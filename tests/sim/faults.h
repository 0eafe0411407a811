// Lets the plan's faults happen. Each family draws from a stream of its own, so that removing one
// does not shift the others.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/sim/dice.h"
#include "tests/sim/network.h"
#include "tests/sim/world.h"

namespace aspen::sim {

class Faults {
 public:
  explicit Faults(World& world);

  void start();
  // The next fault of a family is due.
  void on_fault(Family family);
  // A cut opens or closes, or ends; a slow disk is well again.
  void on_end(std::size_t place);

 private:
  struct Lasting {
    Family family = Family::partition;
    std::size_t node = 0;  // disk_slow
    Cut cut{};             // partition
    bool open = false;     // partition: nothing is cut at the moment
    Time until = 0;
    Time flap = 0;  // partition: mean time between closing and opening, 0 if it stays
  };

  [[nodiscard]] Dice& dice(Family family) { return dice_[static_cast<std::size_t>(family)]; }
  [[nodiscard]] Time duration(Family family);
  void schedule_next(Family family);
  void crash(std::size_t node, Family family);
  void crash_many(Family family);
  void partition();
  void hint_about(const Cut& cut, bool up);
  void record(Family family, std::uint64_t detail, Time time = 0);

  World& world_;
  std::vector<Dice> dice_;
  std::vector<Lasting> lasting_;
};

}  // namespace aspen::sim
