// A table keyed by numbers that it hands out itself, ascending: the requests in flight of one
// actor. Look-ups are an array access; finished slots at the front are given back. Bounds: the
// capacity, a span of numbers of span_factor times that, which one slow request at the front may
// keep open, and the sum of what the values say they hold. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "node/base/assert.h"

namespace aspen::replica {

template <class T>
class SequenceTable {
 public:
  static constexpr std::size_t span_factor = 8;

  explicit SequenceTable(std::size_t capacity, std::uint64_t first = 1,
                         std::uint64_t bytes_max = UINT64_MAX)
      : capacity_(capacity), bytes_max_(bytes_max), base_(first) {
    ASPEN_ASSERT(capacity > 0);
    ASPEN_ASSERT(first > 0);
  }

  // Whether one more value, of so many bytes, finds no room.
  [[nodiscard]] bool full(std::uint64_t bytes = 0) const noexcept {
    return live_ >= capacity_ || slots_.size() >= capacity_ * span_factor ||
           bytes > bytes_max_ - bytes_;
  }
  [[nodiscard]] std::size_t size() const noexcept { return live_; }
  // The number that the next insert() gives.
  [[nodiscard]] std::uint64_t next() const noexcept { return base_ + slots_.size(); }

  // Precondition: !full(bytes).
  std::uint64_t insert(T value, std::uint64_t bytes = 0) {
    ASPEN_ASSERT(!full(bytes));
    slots_.emplace_back(Slot{std::move(value), bytes});
    ++live_;
    bytes_ += bytes;
    return base_ + slots_.size() - 1;
  }

  // Null if the number was never given or is finished.
  [[nodiscard]] T* find(std::uint64_t number) noexcept {
    if (number < base_ || number - base_ >= slots_.size()) return nullptr;
    std::optional<Slot>& slot = slots_[number - base_];
    return slot.has_value() ? &slot->value : nullptr;
  }

  [[nodiscard]] std::optional<T> take(std::uint64_t number) {
    T* value = find(number);
    if (value == nullptr) return std::nullopt;
    std::optional<T> taken(std::move(*value));
    std::optional<Slot>& slot = slots_[number - base_];
    ASPEN_ASSERT(live_ > 0);
    ASPEN_ASSERT(bytes_ >= slot->bytes);
    --live_;
    bytes_ -= slot->bytes;
    slot.reset();
    while (!slots_.empty() && !slots_.front().has_value()) {
      slots_.pop_front();
      ++base_;
    }
    return taken;
  }

  // Visits live values in the order of their numbers; `visit(number, value)` must not change the
  // table.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].has_value()) visit(base_ + i, slots_[i]->value);
    }
  }

 private:
  struct Slot {
    T value;
    std::uint64_t bytes = 0;
  };
  std::size_t capacity_;
  std::uint64_t bytes_max_;
  std::uint64_t base_;
  std::deque<std::optional<Slot>> slots_;
  std::size_t live_ = 0;
  std::uint64_t bytes_ = 0;  // of the live values
};

}  // namespace aspen::replica
