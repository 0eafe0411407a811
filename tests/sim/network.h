// Which messages arrive, and when. Cuts are sets of directed pairs and overlap; a pair is open if
// no cut covers it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "node/raft/message.h"
#include "tests/sim/dice.h"
#include "tests/sim/plan.h"

namespace aspen::sim {

// Bit `to` of row `from`: messages that way are lost.
using Cut = std::array<std::uint8_t, nodes_max>;

enum class CutShape : std::uint8_t {
  isolate_one,
  halves,
  random,
  bridge,  // two sides, and one node that sees both
  ring,    // everybody sees two neighbours
  one_way,
  leader_sends_only,
  leader_hears_only,
  pair,  // one link of one pair
};
inline constexpr std::uint64_t cut_shapes = 9;

// `leader`: of whom the shapes for a leader speak.
[[nodiscard]] Cut draw_cut(CutShape shape, std::size_t nodes, std::size_t leader, Dice& dice);

class Network {
 public:
  Network(const NetworkPlan& plan, std::size_t nodes, Dice dice);

  [[nodiscard]] bool open(std::size_t from, std::size_t to) const noexcept {
    return covered_[from][to] == 0;
  }
  void add(const Cut& cut);
  void remove(const Cut& cut);

  // When a message sent now arrives; nothing if it is lost.
  [[nodiscard]] std::optional<Time> arrival(std::size_t from, std::size_t to, Time now);
  [[nodiscard]] bool twice() { return dice_.ppm(plan_.duplicate_ppm); }
  [[nodiscard]] bool encoded() const noexcept { return plan_.encoded; }
  // No cuts, no losses and no stragglers from now on.
  void heal();

 private:
  NetworkPlan plan_;
  Dice dice_;
  std::array<std::array<std::uint16_t, nodes_max>, nodes_max> covered_{};
  std::array<std::array<std::uint16_t, nodes_max>, nodes_max> slowness_{};
  std::array<std::array<Time, nodes_max>, nodes_max> latest_{};  // arrival on an ordered link
};

}  // namespace aspen::sim
