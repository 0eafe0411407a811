// Time as values. An Instant is a point of a node's monotonic clock and means nothing to another
// process; a WallTime is a point of civil time, which may jump and only decides what is shown or
// what a leader writes into an entry. Nothing here reads a clock: port/clock.h does.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace aspen {

using Duration = std::chrono::nanoseconds;

// Nanoseconds of a monotonic clock whose start is arbitrary.
struct Instant {
  std::int64_t ns = 0;

  friend constexpr auto operator<=>(Instant, Instant) noexcept = default;
  friend constexpr bool operator==(Instant, Instant) noexcept = default;
  constexpr Instant& operator+=(Duration d) noexcept {
    ns += d.count();
    return *this;
  }
  constexpr Instant& operator-=(Duration d) noexcept {
    ns -= d.count();
    return *this;
  }
  // A deadline that is never reached.
  [[nodiscard]] static constexpr Instant never() noexcept { return Instant{INT64_MAX}; }
};

[[nodiscard]] constexpr Instant operator+(Instant at, Duration d) noexcept {
  return at += d;
}
[[nodiscard]] constexpr Instant operator-(Instant at, Duration d) noexcept {
  return at -= d;
}
[[nodiscard]] constexpr Duration operator-(Instant a, Instant b) noexcept {
  return Duration(a.ns - b.ns);
}

// Nanoseconds since the Unix epoch.
struct WallTime {
  std::int64_t ns = 0;

  friend constexpr auto operator<=>(WallTime, WallTime) noexcept = default;
  friend constexpr bool operator==(WallTime, WallTime) noexcept = default;
};

[[nodiscard]] constexpr WallTime operator+(WallTime at, Duration d) noexcept {
  return WallTime{at.ns + d.count()};
}
[[nodiscard]] constexpr Duration operator-(WallTime a, WallTime b) noexcept {
  return Duration(a.ns - b.ns);
}

}  // namespace aspen
