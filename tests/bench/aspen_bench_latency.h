// Latencies in a fixed table: 64 steps for each doubling, so that a quantile is at most 1.6 % off
// whatever the number of samples.
//
// Owner and thread: one at a time; merge() joins tables of different threads.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "node/base/time.h"

namespace aspen::bench {

class Latencies {
 public:
  void add(Duration took) noexcept {
    const auto ns = static_cast<std::uint64_t>(took.count() > 0 ? took.count() : 0);
    ++counts_[slot_of(ns)];
    ++count_;
    if (took > max_) max_ = took;
  }
  void merge(const Latencies& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    if (other.max_ > max_) max_ = other.max_;
  }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] Duration max() const noexcept { return max_; }
  // 0 <= share <= 1. Zero if there are no samples.
  [[nodiscard]] Duration quantile(double share) const noexcept {
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) return Duration(static_cast<std::int64_t>(value_of(i)));
    }
    return max_;
  }

 private:
  static constexpr unsigned step_bits = 6;
  static constexpr std::size_t steps = 1U << step_bits;

  static std::size_t slot_of(std::uint64_t ns) noexcept {
    if (ns < steps) return ns;
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - step_bits;
    return (shift + 1) * steps + (ns >> shift & (steps - 1));
  }
  static std::uint64_t value_of(std::size_t slot) noexcept {
    if (slot < steps) return slot;
    const auto shift = slot / steps - 1;
    return (steps + slot % steps) << shift;
  }

  std::array<std::uint64_t, (64 - step_bits + 1) * steps> counts_{};
  std::uint64_t count_ = 0;
  Duration max_{};
};

}  // namespace aspen::bench
