#include "node/base/prng.h"

#include "node/base/assert.h"
#include "node/base/checksum.h"

namespace aspen {

namespace {

constexpr std::uint64_t rotate_left(std::uint64_t x, int k) noexcept {
  return (x << k) | (x >> (64 - k));
}

std::uint64_t split_mix(std::uint64_t& state) noexcept {
  state += 0x9e3779b97f4a7c15U;
  std::uint64_t z = state;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

}  // namespace

Prng::Prng(std::uint64_t seed) noexcept : seed_(seed) {
  std::uint64_t mix = seed;
  for (auto& word : state_) word = split_mix(mix);
}

std::uint64_t Prng::next() noexcept {
  // From an all-zero state the generator would never leave it.
  ASPEN_ASSERT((state_[0] | state_[1] | state_[2] | state_[3]) != 0);
  const std::uint64_t result = rotate_left(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17U;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotate_left(state_[3], 45);
  return result;
}

std::uint64_t Prng::below(std::uint64_t bound) noexcept {
  ASPEN_ASSERT(bound > 0);
  const std::uint64_t threshold = (0 - bound) % bound;
  for (;;) {  // Each round ends the loop with a probability above one half.
    const std::uint64_t r = next();
    if (r >= threshold) return r % bound;
  }
}

std::uint64_t Prng::between(std::uint64_t low, std::uint64_t high) noexcept {
  ASPEN_ASSERT(low <= high);
  return low + below(high - low + 1);
}

bool Prng::chance(std::uint64_t numerator, std::uint64_t denominator) noexcept {
  return below(denominator) < numerator;
}

Prng Prng::split(std::string_view name, std::uint64_t number) const noexcept {
  return Prng(checksum64(name.data(), name.size(), seed_ ^ (number * 0x9e3779b97f4a7c15U)));
}

}  // namespace aspen
