// A mailbox: four lanes (signal, stop, supervision, message), and four priorities in the message
// lane. What other threads send arrives in one multi-producer list and is moved over as a whole;
// what the home worker's own actors send goes to the private lists without an atomic operation.
// Since an actor never leaves its home worker, both keep the order of each sender; and since a
// local push moves over first what has arrived, a message never overtakes one that caused it.
//
// Bounds: the message lane holds at most `capacity` messages that were admitted; timers and answers
// are not counted, their numbers are bounded by limits::actor_timers_max and asks_pending_max of
// the receiver. The system lanes hold one signal of each kind and one notice per child.
//
// Thread: admit_remote and push_remote: any. All else: the home worker.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "node/actor/protocol.h"
#include "node/base/assert.h"
#include "node/base/error.h"
#include "node/base/limits.h"

namespace aspen::actor {

class Cell;
struct Node;

// Lanes and priorities in the order in which they are served.
enum class Order : std::uint8_t { signal, stop, supervision, urgent, high, normal, low };
inline constexpr std::size_t orders = 7;

[[nodiscard]] constexpr Order order_of(Priority priority) noexcept {
  return static_cast<Order>(static_cast<std::uint8_t>(Order::urgent) +
                            static_cast<std::uint8_t>(priority));
}

// What can be done with a message whose type is not known.
struct MessageType {
  // Handles and destroys the payload; null if the actor's class knows how.
  void (*run)(Cell&, Node&) noexcept;
  // Destroys the payload; a request is answered with the code.
  void (*drop)(Node&, Code) noexcept;
};

enum class Counted : std::uint8_t { no, yes };

// The head of a pooled block; the payload follows.
struct Node {
  std::atomic<Node*> next{nullptr};
  const MessageType* type = nullptr;
  std::uint32_t generation = 0;  // of the actor it is meant for
  std::uint16_t index = 0;       // in the actor's protocol
  Order order = Order::normal;
  std::uint8_t size_class : 4 = 0;
  std::uint8_t counted : 4 = 0;  // in the mailbox's depth
};
static_assert(sizeof(Node) == 24);

inline constexpr std::array<std::size_t, 4> block_bytes = {64, 128, 256, 512};
static_assert(limits::message_bytes_max + sizeof(Node) == block_bytes.back());

// Memory of a block of that size class, from this thread's cache. Any thread may release it.
[[nodiscard]] void* allocate_block(std::size_t size_class) noexcept;
void release_block(void* block, std::size_t size_class) noexcept;

[[nodiscard]] constexpr std::uint8_t size_class_of(std::size_t size_bytes) noexcept {
  std::uint8_t size_class = 0;
  while (size_class + 1u < block_bytes.size() && block_bytes[size_class] < size_bytes) ++size_class;
  return size_class;
}

template <class Payload>
[[nodiscard]] Payload& payload(Node& node) noexcept {
  return *std::launder(
      reinterpret_cast<Payload*>(reinterpret_cast<std::byte*>(&node) + sizeof(Node)));
}

// Takes a block and moves `value` into it. Does not fail: out of memory ends the process.
template <class Payload>
[[nodiscard]] Node& make_node(const MessageType& type, Payload&& value) noexcept {
  using Value = std::remove_cvref_t<Payload>;
  static_assert(sizeof(Value) <= limits::message_bytes_max,
                "a message of this size travels behind a unique_ptr");
  static_assert(alignof(Value) <= alignof(Node));
  constexpr std::uint8_t size_class = size_class_of(sizeof(Node) + sizeof(Value));
  Node* node = std::construct_at(static_cast<Node*>(allocate_block(size_class)));
  node->type = &type;
  node->size_class = size_class & 0xf;
  std::construct_at(&payload<Value>(*node), std::forward<Payload>(value));
  return *node;
}

// Precondition: the payload is destroyed.
inline void release_node(Node& node) noexcept {
  const std::size_t size_class = node.size_class;
  std::destroy_at(&node);
  release_block(&node, size_class);
}

inline void drop_node(Node& node, Code code) noexcept {
  node.type->drop(node, code);
  release_node(node);
}

// A count that one thread writes and any reads.
class Tally {
 public:
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  // For the rare case that several threads write.
  void add_shared(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Many producers, one consumer: a push is one exchange, a take removes everything. A push that
// found the list at rest tells its caller so, once per rest.
template <class T>
class ArrivalList {
 public:
  enum class Found : std::uint8_t { at_rest, in_use };

  // Any thread. `item` must not be in a list.
  Found push(T& item) noexcept {
    item.next.store(unlinked(), std::memory_order_relaxed);
    T* const old = head_.exchange(&item);
    item.next.store(old, std::memory_order_release);
    return old == rest() ? Found::at_rest : Found::in_use;
  }

  // Everything that arrived, oldest first, linked by `next` with null at the end; null if there is
  // nothing, or if a producer is between its two writes: arrived() tells.
  [[nodiscard]] T* take() noexcept {
    if (cursor_ == nullptr) {
      T* const head = head_.load(std::memory_order_relaxed);
      if (head == nullptr || head == rest()) return nullptr;
      cursor_ = head_.exchange(nullptr, std::memory_order_acquire);
    }
    while (cursor_ != nullptr && cursor_ != rest()) {
      T* const older = linked(*cursor_);
      if (older == unlinked()) return nullptr;
      cursor_->next.store(reversed_, std::memory_order_relaxed);
      reversed_ = cursor_;
      cursor_ = older;
    }
    cursor_ = nullptr;
    return std::exchange(reversed_, nullptr);
  }

  // Whether take() would find something, now or soon.
  [[nodiscard]] bool arrived() const noexcept {
    if (cursor_ != nullptr) return true;
    T* const head = head_.load();
    return head != nullptr && head != rest();
  }

  // The next push finds the list at rest. False if something has arrived.
  // Precondition: the list is not at rest already.
  [[nodiscard]] bool try_rest() noexcept {
    if (cursor_ != nullptr) return false;
    T* expected = nullptr;
    return head_.compare_exchange_strong(expected, rest(), std::memory_order_acq_rel,
                                         std::memory_order_relaxed);
  }

 private:
  // A producer is a few instructions away from linking its item, unless it lost its processor.
  static constexpr int spins_max = 64;

  [[nodiscard]] static T* unlinked() noexcept { return reinterpret_cast<T*>(std::uintptr_t{1}); }
  [[nodiscard]] static T* rest() noexcept { return reinterpret_cast<T*>(std::uintptr_t{2}); }
  [[nodiscard]] static T* linked(T& item) noexcept {
    T* older = item.next.load(std::memory_order_acquire);
    for (int i = 0; i < spins_max && older == unlinked(); ++i) {
      older = item.next.load(std::memory_order_acquire);
    }
    return older;
  }

  std::atomic<T*> head_{nullptr};
  T* cursor_ = nullptr;    // taken, not yet reversed
  T* reversed_ = nullptr;  // oldest first
};

class Mailbox {
 public:
  Mailbox() noexcept;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Counts one more message. False if the message lane is full; nothing has changed then.
  [[nodiscard]] bool admit_local() noexcept;
  [[nodiscard]] bool admit_remote() noexcept;

  // Precondition: a counted node was admitted on the same side.
  void push_local(Node& node) noexcept;
  // True if the caller has to hand the actor to its worker.
  [[nodiscard]] bool push_remote(Node& node) noexcept;

  // Moves over what other threads have sent. False if that was nothing.
  bool drain() noexcept;
  // The next node of the lanes up to `last`, or null.
  [[nodiscard]] Node* pop(Order last) noexcept;
  [[nodiscard]] bool has(Order last) const noexcept;
  [[nodiscard]] bool arrived() const noexcept { return arrivals_.arrived(); }

  // The worker was handed the actor by another thread.
  void set_handed_over() noexcept { handed_over_ = true; }
  // From now on a remote push asks its caller to hand the actor over. False if something arrived.
  [[nodiscard]] bool try_rest() noexcept;

  [[nodiscard]] std::uint32_t capacity() const noexcept {
    return capacity_.load(std::memory_order_relaxed);
  }
  void set_capacity(std::uint32_t capacity) noexcept {
    capacity_.store(capacity, std::memory_order_relaxed);
  }
  // Any thread; exact when nobody sends.
  [[nodiscard]] std::uint32_t depth() const noexcept {
    return remote_depth_.load(std::memory_order_relaxed) +
           private_depth_.load(std::memory_order_relaxed);
  }

 private:
  void append(Node& node) noexcept;

  ArrivalList<Node> arrivals_;
  std::atomic<std::uint32_t> remote_depth_{0};   // admitted from other threads, not yet drained
  std::atomic<std::uint32_t> private_depth_{0};  // written by the home worker
  std::atomic<std::uint32_t> capacity_{0};
  std::uint8_t occupied_ = 0;  // a bit per list that is not empty
  bool handed_over_ = false;   // the right to put the arrivals at rest is here
  // Circular lists: the newest node, whose next is the oldest.
  std::array<Node*, orders> newest_{};
};

// The actors that other threads have made runnable, and whether their worker sleeps.
template <class T>
class Inbox {
 public:
  // Any thread. True if the caller has to wake the worker.
  [[nodiscard]] bool push(T& item) noexcept {
    // Of this push and fall_asleep() one sees the other: all four accesses are in one total order.
    list_.push(item);
    return asleep_.load() && asleep_.exchange(false);
  }
  [[nodiscard]] T* take() noexcept { return list_.take(); }
  [[nodiscard]] bool arrived() const noexcept { return list_.arrived(); }

  // True if the worker may sleep now: nothing has arrived, and whatever arrives from here wakes it.
  [[nodiscard]] bool fall_asleep() noexcept {
    asleep_.store(true);
    if (!list_.arrived()) return true;
    asleep_.store(false);
    return false;
  }
  void awake() noexcept { asleep_.store(false, std::memory_order_relaxed); }

 private:
  ArrivalList<T> list_;
  std::atomic<bool> asleep_{false};
};

}  // namespace aspen::actor
