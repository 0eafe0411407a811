// The one checksum of our file and frame formats: XXH3 with a seed, 64 bits. Chained records seed
// it with the previous record's checksum.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace aspen {

[[nodiscard]] std::uint64_t checksum64(const void* bytes, std::size_t size_bytes,
                                       std::uint64_t seed = 0) noexcept;

[[nodiscard]] inline std::uint64_t checksum64(std::string_view bytes,
                                              std::uint64_t seed = 0) noexcept {
  return checksum64(bytes.data(), bytes.size(), seed);
}

// The same of text that comes in parts. A value without allocation.
class Checksum64 {
 public:
  explicit Checksum64(std::uint64_t seed = 0) noexcept;
  void update(std::string_view part) noexcept;
  [[nodiscard]] std::uint64_t value() const noexcept;

 private:
  alignas(64) std::array<std::byte, 576> state_;  // the library's state, of this size and alignment
};

}  // namespace aspen
