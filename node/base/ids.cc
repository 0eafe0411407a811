#include "node/base/ids.h"

namespace aspen {

std::string to_hex(std::uint64_t value) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 0; i < 16; ++i) text[15 - i] = digits[(value >> (4 * i)) & 15U];
  return text;
}

std::string to_hex(const Incarnation& value) {
  return to_hex(value.high) + to_hex(value.low);
}

}  // namespace aspen
