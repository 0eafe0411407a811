// A seeded generator of our own (SplitMix64 seeding xoshiro256**, Blackman and Vigna 2018): the
// results of standard distributions differ between libraries and may decide nothing that must
// replay. It is a value: copy it, compare it, hash it. One root seed is split into independent
// streams by name, so that a new consumer does not shift the numbers of the others.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace aspen {

class Prng {
 public:
  explicit Prng(std::uint64_t seed) noexcept;

  [[nodiscard]] std::uint64_t next() noexcept;
  // Uniform in [0, bound). Precondition: bound > 0. Unbiased (Lemire's rejection).
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept;
  // Uniform in [low, high]. Precondition: low <= high, high - low < 2^64 - 1.
  [[nodiscard]] std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept;
  // True with probability numerator / denominator. Precondition: denominator > 0.
  [[nodiscard]] bool chance(std::uint64_t numerator, std::uint64_t denominator) noexcept;

  // An independent stream for a consumer; depends on this generator's seed and the name alone.
  [[nodiscard]] Prng split(std::string_view name, std::uint64_t number = 0) const noexcept;

  friend bool operator==(const Prng&, const Prng&) noexcept = default;

 private:
  std::uint64_t seed_;
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace aspen
