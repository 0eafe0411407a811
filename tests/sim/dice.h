// Draws of the shapes that the simulator needs, from one stream of the seed. Only integers are
// drawn and the logarithms come from a table computed by the compiler, so that a seed means the
// same with every compiler and libm.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "node/base/assert.h"
#include "node/base/prng.h"

namespace aspen::sim {

namespace detail {
// -ln((i + 0.5) / 1024) in units of 1/1024: the quantiles of an exponential distribution.
constexpr std::array<std::uint32_t, 1024> exponential_quantiles() {
  std::array<std::uint32_t, 1024> table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    double x = (static_cast<double>(i) + 0.5) / 1024.0;
    double ln = 0;
    for (; x < 0.5; x *= 2) ln -= 0.69314718055994531;
    const double z = (x - 1) / (x + 1);
    double power = z;
    for (int k = 1; k < 40; k += 2, power *= z * z) ln += 2 * power / k;
    table[i] = static_cast<std::uint32_t>(-ln * 1024.0 + 0.5);
  }
  return table;
}
inline constexpr auto exponential_table = exponential_quantiles();
}  // namespace detail

class Dice {
 public:
  explicit Dice(const Prng& prng) noexcept : prng_(prng) {}

  [[nodiscard]] std::uint64_t next() noexcept { return prng_.next(); }
  // Uniform in [0, bound), with a bias below 2^-32. Precondition: 0 < bound < 2^32.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept {
    ASPEN_ASSERT(bound > 0 && bound < (std::uint64_t{1} << 32U));
    return ((prng_.next() >> 32U) * bound) >> 32U;
  }
  // Uniform in [low, high].
  [[nodiscard]] std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
    ASPEN_ASSERT(low <= high);
    return low + below(high - low + 1);
  }
  // True `parts` times in a million. Draws nothing if that is never.
  [[nodiscard]] bool ppm(std::uint64_t parts) noexcept {
    return parts != 0 && below(1'000'000) < parts;
  }
  [[nodiscard]] bool percent(std::uint64_t parts) noexcept { return below(100) < parts; }
  // Exponential with this mean; at most 7.7 times the mean.
  [[nodiscard]] std::uint64_t exponential(std::uint64_t mean) noexcept {
    return (mean * detail::exponential_table[prng_.next() >> 54U]) >> 10U;
  }
  // Every magnitude in [low, high] alike. Precondition: 0 < low <= high.
  [[nodiscard]] std::uint64_t log_uniform(std::uint64_t low, std::uint64_t high) noexcept {
    ASPEN_ASSERT(low > 0 && low <= high);
    std::uint64_t octaves = 1;
    while ((low << octaves) < high) ++octaves;
    const std::uint64_t from = low << below(octaves);
    return between(from, from * 2 > high ? high : from * 2);
  }

 private:
  Prng prng_;
};

}  // namespace aspen::sim
