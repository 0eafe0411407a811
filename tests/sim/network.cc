#include "tests/sim/network.h"

#include <algorithm>

#include "node/base/assert.h"

namespace aspen::sim {

namespace {

void block(Cut& cut, std::size_t from, std::size_t to) {
  if (from != to) cut[from] = static_cast<std::uint8_t>(cut[from] | (1U << to));
}

// Blocks what joins the two sides, both ways.
void separate(Cut& cut, std::size_t nodes, std::uint64_t side) {
  for (std::size_t i = 0; i < nodes; ++i) {
    for (std::size_t j = 0; j < nodes; ++j) {
      if (((side >> i) & 1U) != ((side >> j) & 1U)) block(cut, i, j);
    }
  }
}

void release(Cut& cut, std::size_t nodes, std::size_t node) {
  cut[node] = 0;
  for (std::size_t i = 0; i < nodes; ++i) {
    cut[i] = static_cast<std::uint8_t>(cut[i] & ~(1U << node));
  }
}

}  // namespace

Cut draw_cut(CutShape shape, std::size_t nodes, std::size_t leader, Dice& dice) {
  ASPEN_ASSERT(leader < nodes);
  Cut cut{};
  const std::size_t one = dice.below(nodes);
  const std::size_t other = dice.below(nodes);
  const std::uint64_t side = dice.below(std::uint64_t{1} << nodes);
  switch (shape) {
    case CutShape::isolate_one:
      separate(cut, nodes, std::uint64_t{1} << (dice.percent(50) ? leader : one));
      break;
    case CutShape::halves:
    case CutShape::bridge: {
      std::uint64_t half = 0;
      for (std::size_t i = 0; i < nodes / 2; ++i) half |= std::uint64_t{1} << ((one + i) % nodes);
      separate(cut, nodes, half);
      if (shape == CutShape::bridge) release(cut, nodes, other);
      break;
    }
    case CutShape::random:
      separate(cut, nodes, side);
      break;
    case CutShape::ring:
      for (std::size_t i = 0; i < nodes; ++i) {
        for (std::size_t j = 0; j < nodes; ++j) {
          const std::size_t apart = (i + nodes - j) % nodes;
          if (apart != 1 && apart != nodes - 1) block(cut, i, j);
        }
      }
      break;
    case CutShape::one_way:
      for (std::size_t i = 0; i < nodes; ++i) {
        for (std::size_t j = 0; j < nodes; ++j) {
          if (((side >> i) & 1U) != 0 && ((side >> j) & 1U) == 0) block(cut, i, j);
        }
      }
      break;
    case CutShape::leader_sends_only:
      for (std::size_t i = 0; i < nodes; ++i) block(cut, i, leader);
      break;
    case CutShape::leader_hears_only:
      for (std::size_t i = 0; i < nodes; ++i) block(cut, leader, i);
      break;
    case CutShape::pair:
      block(cut, one, other);
      if (dice.percent(50)) block(cut, other, one);
      break;
  }
  return cut;
}

Network::Network(const NetworkPlan& plan, std::size_t nodes, Dice dice) : plan_(plan), dice_(dice) {
  for (std::size_t i = 0; i < nodes; ++i) {
    for (std::size_t j = 0; j < nodes; ++j) {
      const bool slow = plan_.skew > 1 && dice_.percent(30);
      slowness_[i][j] = static_cast<std::uint16_t>(slow ? plan_.skew : 1);
    }
  }
}

void Network::add(const Cut& cut) {
  for (std::size_t i = 0; i < nodes_max; ++i) {
    for (std::size_t j = 0; j < nodes_max; ++j) {
      if (((cut[i] >> j) & 1U) != 0) ++covered_[i][j];
    }
  }
}

void Network::remove(const Cut& cut) {
  for (std::size_t i = 0; i < nodes_max; ++i) {
    for (std::size_t j = 0; j < nodes_max; ++j) {
      if (((cut[i] >> j) & 1U) == 0) continue;
      ASPEN_ASSERT(covered_[i][j] > 0);
      --covered_[i][j];
    }
  }
}

std::optional<Time> Network::arrival(std::size_t from, std::size_t to, Time now) {
  const bool lost = dice_.ppm(plan_.loss_ppm);
  Time at = now + (plan_.delay_least + dice_.exponential(plan_.delay_mean)) * slowness_[from][to];
  if (dice_.ppm(plan_.tail_ppm)) at += dice_.below(plan_.tail) + 1;
  if (lost || !open(from, to)) return std::nullopt;
  if (!plan_.ordered) return at;
  Time& latest = latest_[from][to];
  latest = std::max(latest + 1, at);
  return latest;
}

void Network::heal() {
  plan_.loss_ppm = 0;
  plan_.duplicate_ppm = 0;
  plan_.tail_ppm = 0;
  covered_ = {};
  latest_ = {};
  for (auto& row : slowness_) row.fill(1);
}

}  // namespace aspen::sim
