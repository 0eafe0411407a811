// The part of a local actor that its senders touch: its address, its mailbox, its home worker. An
// endpoint lives as long as its System and is used again by a later actor under another generation,
// so that a ref never dangles while the System lives.
#pragma once

#include <atomic>
#include <cstdint>

#include "node/actor/mailbox.h"

namespace aspen::actor {

class Worker;

class Endpoint {
 public:
  explicit Endpoint(Worker& home) noexcept : home_(home) {}
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Any thread. Whether the actor of this generation takes messages.
  [[nodiscard]] bool open(std::uint32_t generation) const noexcept {
    return address_.load(std::memory_order_acquire) == (std::uint64_t{generation} << 1 | 1);
  }
  // Any thread. Reserves room for one message; false if the mailbox is full.
  [[nodiscard]] bool admit() noexcept;
  // Any thread. Hands over a node; its order and generation are set. Counted nodes were admitted.
  void push(Node& node) noexcept;
  // Any thread.
  void count_refused() noexcept { refused_.add_shared(); }

  // The link of the home worker's inbox.
  std::atomic<Cell*> next{nullptr};

 protected:
  [[nodiscard]] Worker& home() const noexcept { return home_; }
  [[nodiscard]] std::uint32_t generation() const noexcept {
    return static_cast<std::uint32_t>(address_.load(std::memory_order_relaxed) >> 1);
  }
  void set_address(std::uint32_t generation, bool is_open) noexcept {
    address_.store(std::uint64_t{generation} << 1 | std::uint64_t{is_open},
                   std::memory_order_release);
  }

  Worker& home_;
  std::atomic<std::uint64_t> address_{0};
  Mailbox mailbox_;
  bool scheduled_ = false;  // in the home worker's run queue, or having its turn
  Tally refused_;
};

// For untyped comparison and for the runtime; a Ref is what actors hold.
struct Address {
  Endpoint* endpoint = nullptr;
  std::uint32_t generation = 0;
  friend bool operator==(const Address&, const Address&) noexcept = default;
};

}  // namespace aspen::actor
