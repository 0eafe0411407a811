// A digest of a value made of integers, the same on every machine and in every run.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "node/base/checksum.h"
#include "node/base/ids.h"

namespace aspen::raft {

class Hasher {
 public:
  // SplitMix64's finaliser over a running state.
  Hasher& add(std::uint64_t v) noexcept {
    state_ += v + 0x9e3779b97f4a7c15U;
    state_ = (state_ ^ (state_ >> 30U)) * 0xbf58476d1ce4e5b9U;
    state_ = (state_ ^ (state_ >> 27U)) * 0x94d049bb133111ebU;
    state_ ^= state_ >> 31U;
    return *this;
  }
  template <class Tag>
  Hasher& add(Id<Tag> id) noexcept {
    return add(id.value);
  }
  Hasher& add(const LogId& id) noexcept { return add(id.term).add(id.index); }
  Hasher& add(const PeerId& peer) noexcept {
    return add(peer.id).add(peer.incarnation.high).add(peer.incarnation.low);
  }
  Hasher& add(std::string_view bytes) noexcept { return add(checksum64(bytes)); }
  template <class T>
  Hasher& add(const std::optional<T>& value) noexcept {
    add(std::uint64_t{value.has_value()});
    return value ? add(*value) : *this;
  }

  [[nodiscard]] std::uint64_t value() const noexcept { return state_; }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace aspen::raft
