// SHA-256 (FIPS 180-4), for what others check too: the end of a snapshot file, as etcd's client
// does. Our own checksums are checksum64's. A value without allocation; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace aspen::snapshot {

using Digest = std::array<std::uint8_t, 32>;

class Sha256 {
 public:
  void update(std::string_view part) noexcept;
  // Of all parts. Call it once.
  [[nodiscard]] Digest finish() noexcept;

 private:
  static constexpr std::size_t block_bytes = 64;

  void compress(const std::uint8_t* block) noexcept;

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, block_bytes> rest_{};
  std::size_t rest_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
};

[[nodiscard]] Digest sha256(std::string_view text) noexcept;

// 64 lower-case hex digits.
[[nodiscard]] std::string to_hex(const Digest& digest);
[[nodiscard]] inline std::string_view view(const Digest& digest) noexcept {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace aspen::snapshot
