// A queue over one growing array: push and pop at both ends without an allocation per element.
// It never shrinks; whoever owns one bounds what it pushes.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "node/base/assert.h"

namespace aspen::raft {

template <class T>
class Ring {
 public:
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return slots_[at(i)]; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return slots_[at(i)]; }
  [[nodiscard]] T& front() noexcept { return (*this)[0]; }
  [[nodiscard]] const T& front() const noexcept { return (*this)[0]; }
  [[nodiscard]] T& back() noexcept { return (*this)[size_ - 1]; }
  [[nodiscard]] const T& back() const noexcept { return (*this)[size_ - 1]; }

  void push_back(T value) {
    if (size_ == slots_.size()) grow();
    slots_[at(size_)] = std::move(value);
    ++size_;
  }
  void pop_front() noexcept {
    ASPEN_ASSERT(size_ > 0);
    slots_[first_] = T{};
    first_ = (first_ + 1) & (slots_.size() - 1);
    --size_;
  }
  void pop_back() noexcept {
    ASPEN_ASSERT(size_ > 0);
    slots_[at(size_ - 1)] = T{};
    --size_;
  }
  void clear() noexcept {
    while (size_ > 0) pop_back();
    first_ = 0;
  }

  friend bool operator==(const Ring& a, const Ring& b) noexcept {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i) {
      if (!(a[i] == b[i])) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t slots_min = 16;

  // The number of slots is a power of two.
  [[nodiscard]] std::size_t at(std::size_t i) const noexcept {
    return (first_ + i) & (slots_.size() - 1);
  }
  void grow() {
    std::vector<T> slots(slots_.empty() ? slots_min : 2 * slots_.size());
    for (std::size_t i = 0; i < size_; ++i) slots[i] = std::move(slots_[at(i)]);
    slots_ = std::move(slots);
    first_ = 0;
    ASPEN_ASSERT(size_ < slots_.size());
  }

  std::vector<T> slots_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace aspen::raft
