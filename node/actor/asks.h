// The requests of one actor that wait for an answer: slots with a deadline and a continuation. The
// slot's generation travels with the request and comes back with the answer, so that an answer that
// comes too late finds nothing.
//
// Thread: the home worker. Bound: limits::asks_pending_max.
#pragma once

#include <cstdint>
#include <vector>

#include "node/actor/mailbox.h"
#include "node/base/error.h"
#include "node/base/time.h"

namespace aspen::actor {

// The head of a continuation's payload. All destroy the payload; the caller releases the node.
struct ContinuationBase {
  void (*fail)(Cell&, Node&, Error) noexcept;
};
template <class T>
struct ContinuationHead : ContinuationBase {
  void (*run)(Cell&, Node&, Result<T>&&) noexcept;
};

class AskTable {
 public:
  struct Key {
    std::uint32_t slot;
    std::uint32_t generation;
  };

  AskTable() = default;
  AskTable(const AskTable&) = delete;
  AskTable& operator=(const AskTable&) = delete;
  ~AskTable() { clear(); }

  [[nodiscard]] bool full() const noexcept { return pending_ >= limits::asks_pending_max; }
  // Precondition: not full. Owns the continuation until take().
  [[nodiscard]] Key put(Node& continuation, Instant deadline);
  // Null if the slot was given up meanwhile.
  [[nodiscard]] Node* take(Key key) noexcept;
  // A continuation whose deadline is not after `now`, searched from the slot `cursor` on, which is
  // moved behind it; null if none.
  [[nodiscard]] Node* take_expired(Instant now, std::size_t& cursor) noexcept;
  [[nodiscard]] Instant next_deadline() const noexcept;
  // Destroys all continuations; answers still to come are late.
  void clear() noexcept;
  [[nodiscard]] std::size_t pending() const noexcept { return pending_; }

 private:
  struct Slot {
    Node* continuation = nullptr;
    Instant deadline;
    std::uint32_t generation = 0;
  };
  [[nodiscard]] Node* release(std::size_t slot) noexcept;

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t pending_ = 0;
};

}  // namespace aspen::actor
