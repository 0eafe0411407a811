#include "node/actor/mailbox.h"

namespace aspen::actor {

Mailbox::Mailbox() noexcept {
  const bool at_rest = arrivals_.try_rest();
  ASPEN_ASSERT(at_rest);
}

bool Mailbox::admit_local() noexcept {
  const std::uint32_t own = private_depth_.load(std::memory_order_relaxed);
  const std::uint32_t capacity = capacity_.load(std::memory_order_relaxed);
  if (own + remote_depth_.load(std::memory_order_relaxed) >= capacity) return false;
  private_depth_.store(own + 1, std::memory_order_relaxed);
  return true;
}

bool Mailbox::admit_remote() noexcept {
  const std::uint32_t remote = remote_depth_.fetch_add(1, std::memory_order_relaxed);
  // During a drain both counters hold the drained ones: full may be seen too early, never too late.
  if (remote + private_depth_.load(std::memory_order_relaxed) <
      capacity_.load(std::memory_order_relaxed)) {
    return true;
  }
  remote_depth_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void Mailbox::append(Node& node) noexcept {
  const auto list = static_cast<std::size_t>(node.order);
  ASPEN_ASSERT(list < orders);
  Node* const newest = newest_[list];
  if (newest == nullptr) {
    node.next.store(&node, std::memory_order_relaxed);
    occupied_ = static_cast<std::uint8_t>(occupied_ | (1u << list));
  } else {
    node.next.store(newest->next.load(std::memory_order_relaxed), std::memory_order_relaxed);
    newest->next.store(&node, std::memory_order_relaxed);
  }
  newest_[list] = &node;
}

void Mailbox::push_local(Node& node) noexcept {
  // What has arrived may be the cause of this node. A producer between its two writes is waited
  // for: it is a few instructions away.
  while (arrivals_.arrived() && !drain()) {
  }
  append(node);
}

bool Mailbox::push_remote(Node& node) noexcept {
  return arrivals_.push(node) == ArrivalList<Node>::Found::at_rest;
}

bool Mailbox::drain() noexcept {
  Node* node = arrivals_.take();
  if (node == nullptr) return false;
  std::uint32_t counted = 0;
  while (node != nullptr) {
    Node* const next = node->next.load(std::memory_order_relaxed);
    counted += node->counted;
    append(*node);
    node = next;
  }
  private_depth_.store(private_depth_.load(std::memory_order_relaxed) + counted,
                       std::memory_order_relaxed);
  const std::uint32_t remote = remote_depth_.fetch_sub(counted, std::memory_order_relaxed);
  ASPEN_ASSERT(remote >= counted);
  return true;
}

Node* Mailbox::pop(Order last) noexcept {
  const auto served = (1u << (static_cast<unsigned>(last) + 1)) - 1;
  const unsigned candidates = occupied_ & served;
  if (candidates == 0) return nullptr;
  const auto list = static_cast<std::size_t>(std::countr_zero(candidates));
  Node* const newest = newest_[list];
  ASPEN_ASSERT(newest != nullptr);
  Node* const oldest = newest->next.load(std::memory_order_relaxed);
  if (oldest == newest) {
    newest_[list] = nullptr;
    occupied_ = static_cast<std::uint8_t>(occupied_ & ~(1u << list));
  } else {
    newest->next.store(oldest->next.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  if (oldest->counted != 0) {
    const std::uint32_t own = private_depth_.load(std::memory_order_relaxed);
    ASPEN_ASSERT(own > 0);
    private_depth_.store(own - 1, std::memory_order_relaxed);
  }
  return oldest;
}

bool Mailbox::has(Order last) const noexcept {
  return (occupied_ & ((1u << (static_cast<unsigned>(last) + 1)) - 1)) != 0;
}

bool Mailbox::try_rest() noexcept {
  // Without the right to rest either the arrivals are at rest, or a producer is about to hand the
  // actor over, and then its turn finds them.
  if (!handed_over_) return true;
  if (!arrivals_.try_rest()) return false;
  handed_over_ = false;
  return true;
}

}  // namespace aspen::actor
