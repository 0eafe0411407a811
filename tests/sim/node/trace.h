// The story of a run, line by line: the last ones are kept for when the run fails, and all of them
// go into a hash, by which two executions of a seed are compared.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/node/plan.h"

namespace aspen::sim::node {

inline constexpr std::size_t nobody = 255;

class Trace {
 public:
  static constexpr std::size_t kept = 600;
  enum class Print : std::uint8_t { no, yes };

  explicit Trace(Print print) : ring_(kept), print_(print) {}

  // A line about a node, or about none.
  void add(Time now, std::size_t node, std::string text);
  // Into the hash alone.
  void fold(std::uint64_t value) noexcept;
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
  // The last lines, oldest first.
  [[nodiscard]] std::string tail() const;

 private:
  std::vector<std::string> ring_;
  std::uint64_t count_ = 0;
  std::uint64_t hash_ = 0;
  Print print_;
};

}  // namespace aspen::sim::node
