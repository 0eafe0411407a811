#include "tests/sim/node/trace.h"

#include <fmt/format.h>

#include <cstdio>

#include "node/base/checksum.h"

namespace aspen::sim::node {

void Trace::add(Time now, std::size_t node, std::string text) {
  hash_ = checksum64(text, hash_ + now * 256 + node);
  const std::string who = node == nobody ? "  " : "n" + std::to_string(node + 1);
  std::string line = fmt::format("{:11.6f} {} {}\n", static_cast<double>(now) / second, who, text);
  if (print_ == Print::yes) std::fputs(line.c_str(), stdout);
  ring_[count_++ % kept] = std::move(line);
}

void Trace::fold(std::uint64_t value) noexcept {
  constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
  hash_ = (hash_ ^ value) * odd;
}

std::string Trace::tail() const {
  std::string text;
  for (std::uint64_t i = count_ < kept ? 0 : count_ - kept; i < count_; ++i) {
    text += ring_[i % kept];
  }
  return text;
}

}  // namespace aspen::sim::node
