// The identifiers that every layer shares. Each is a type of its own, so that a term cannot be
// passed for an index; all are plain values, ordered and comparable.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

namespace aspen {

// A 64-bit integer that only mixes with its own kind.
template <class Tag>
struct Id {
  std::uint64_t value = 0;

  constexpr Id() noexcept = default;
  constexpr explicit Id(std::uint64_t v) noexcept : value(v) {}
  friend constexpr auto operator<=>(Id, Id) noexcept = default;
  friend constexpr bool operator==(Id, Id) noexcept = default;
  [[nodiscard]] constexpr explicit operator bool() const noexcept { return value != 0; }
};

// 128 random bits.
template <class Tag>
struct Id128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend constexpr auto operator<=>(const Id128&, const Id128&) noexcept = default;
  friend constexpr bool operator==(const Id128&, const Id128&) noexcept = default;
  [[nodiscard]] constexpr bool empty() const noexcept { return high == 0 && low == 0; }
};

// A member of a cluster: random, never 0, never reused. It is etcd's member id.
using NodeId = Id<struct NodeIdTag>;
// A cluster, 0 before Init. It is etcd's cluster id.
using ClusterId = Id<struct ClusterIdTag>;
// A Raft group of a cluster. There is one group now; 1 is its id.
using GroupId = Id<struct GroupIdTag>;
using Term = Id<struct TermTag>;
// A position in the log; the first entry has index 1.
using Index = Id<struct IndexTag>;
// 128 bits born with a data directory. A lost disk never votes again under its old name.
using Incarnation = Id128<struct IncarnationTag>;

inline constexpr GroupId the_group{1};

[[nodiscard]] constexpr Index operator+(Index i, std::uint64_t n) noexcept {
  return Index(i.value + n);
}
[[nodiscard]] constexpr Index operator-(Index i, std::uint64_t n) noexcept {
  return Index(i.value - n);
}
// Precondition: a >= b.
[[nodiscard]] constexpr std::uint64_t distance(Index b, Index a) noexcept {
  return a.value - b.value;
}

// Ordered by term, then index: "more up to date" in Raft's sense.
struct LogId {
  Term term;
  Index index;
  friend constexpr auto operator<=>(const LogId&, const LogId&) noexcept = default;
  friend constexpr bool operator==(const LogId&, const LogId&) noexcept = default;
};

struct PeerId {
  NodeId id;
  Incarnation incarnation;
  friend constexpr auto operator<=>(const PeerId&, const PeerId&) noexcept = default;
  friend constexpr bool operator==(const PeerId&, const PeerId&) noexcept = default;
};

// 16 lower-case hex digits, as etcd prints ids.
[[nodiscard]] std::string to_hex(std::uint64_t value);
// 32 lower-case hex digits.
[[nodiscard]] std::string to_hex(const Incarnation& value);

}  // namespace aspen
