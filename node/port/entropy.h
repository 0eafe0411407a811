// Real randomness, for ids, incarnations, nonces and the seed of a node's generators. Everything
// that must replay draws from a Prng that was seeded with it once.
//
// Owner: the assembly; it outlives its users. Any thread may call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace aspen {

class Entropy {
 public:
  virtual ~Entropy() = default;
  // May block shortly after the machine's boot; cannot fail.
  virtual void fill(std::span<std::byte> space) noexcept = 0;

  [[nodiscard]] std::uint64_t u64() noexcept {
    std::uint64_t value = 0;
    fill(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
};

}  // namespace aspen
