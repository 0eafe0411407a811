// The right and the duty to answer one request, once. Keep it to answer later, from any handler or
// thread, or pass it on with the request (Ref::request).
//
// A Responder destroyed unanswered answers connection_lost: the request had been handed to the
// actor and may have taken effect, so the outcome is unknown. (A request that never reached a
// handler is answered by the runtime with shutting_down, which is certain.) An actor that knows
// better answers before it lets go, at the latest in post_stop.
//
// The answer to an asking actor is dropped and counted if that actor has stopped, restarted or
// timed out. Answering neither blocks nor fails.
#pragma once

#include <type_traits>
#include <utility>

#include "node/actor/endpoint.h"
#include "node/base/error.h"

namespace aspen::actor {

// An answer on its way to the asking actor.
template <class T>
struct Answer {
  std::uint32_t slot;
  std::uint32_t slot_generation;
  Result<T> result;

  static void run(Cell& cell, Node& node) noexcept;  // context.h
  static void drop(Node& node, Code) noexcept { std::destroy_at(&payload<Answer>(node)); }
  static constexpr MessageType type{&run, &drop};
};

// A function that waits for an answer outside of actors.
template <class T>
struct OutsideHead {
  void (*run)(Node&, Result<T>&&) noexcept;
};
template <class T, class F>
struct Outside : OutsideHead<T> {
  explicit Outside(F&& f) noexcept : OutsideHead<T>{&call}, function(std::move(f)) {}
  F function;

  static void call(Node& node, Result<T>&& result) noexcept {
    Outside& self = payload<Outside>(node);
    self.function(std::move(result));
    std::destroy_at(&self);
  }
  static void drop(Node& node, Code) noexcept { std::destroy_at(&payload<Outside>(node)); }
  static constexpr MessageType type{nullptr, &drop};
};

template <class T>
class Responder {
 public:
  // Answers nobody.
  Responder() noexcept = default;
  Responder(Responder&& other) noexcept { take(other); }
  Responder& operator=(Responder&& other) noexcept {
    if (this != &other) {
      abandon();
      take(other);
    }
    return *this;
  }
  ~Responder() { abandon(); }

  // One that calls `function(Result<T>&&)`, exactly once, on the thread that answers.
  template <class F>
  [[nodiscard]] static Responder calling(F function) noexcept {
    Responder responder;
    responder.node_ = &make_node(Outside<T, F>::type, Outside<T, F>(std::move(function)));
    return responder;
  }

  // Whether an answer is still owed.
  [[nodiscard]] explicit operator bool() const noexcept {
    return endpoint_ != nullptr || node_ != nullptr;
  }

  // Precondition: not answered yet, except for a Responder that answers nobody.
  void reply(Result<T> result) noexcept { finish(std::move(result)); }
  void reply() noexcept requires std::is_void_v<T> { finish(Result<T>{}); }
  void fail(Error error) noexcept { finish(Result<T>(tl::unexpected<Error>(error))); }

  // The runtime's: an answer to a slot of an asking actor.
  struct Slot {
    Address asker;
    std::uint32_t slot;
    std::uint32_t slot_generation;
    Order order;
  };
  explicit Responder(const Slot& slot) noexcept
      : endpoint_(slot.asker.endpoint),
        generation_(slot.asker.generation),
        slot_(slot.slot),
        slot_generation_(slot.slot_generation),
        order_(slot.order) {}
  // The runtime's: nobody waits any more. A function is destroyed without a call.
  void release() noexcept {
    endpoint_ = nullptr;
    if (Node* node = std::exchange(node_, nullptr)) drop_node(*node, Code::cancelled);
  }

 private:
  void take(Responder& other) noexcept {
    endpoint_ = std::exchange(other.endpoint_, nullptr);
    node_ = std::exchange(other.node_, nullptr);
    generation_ = other.generation_;
    slot_ = other.slot_;
    slot_generation_ = other.slot_generation_;
    order_ = other.order_;
  }
  void abandon() noexcept {
    if (*this) fail(Error{Code::connection_lost, "the actor dropped the request"});
  }
  void finish(Result<T>&& result) noexcept {
    if (Endpoint* endpoint = std::exchange(endpoint_, nullptr)) {
      Node& node =
          make_node(Answer<T>::type, Answer<T>{slot_, slot_generation_, std::move(result)});
      node.generation = generation_;
      node.order = order_;
      endpoint->push(node);
    } else if (Node* node = std::exchange(node_, nullptr)) {
      payload<OutsideHead<T>>(*node).run(*node, std::move(result));
      release_node(*node);
    }
  }

  Endpoint* endpoint_ = nullptr;  // of the asking actor
  Node* node_ = nullptr;          // an Outside<T, F>
  std::uint32_t generation_ = 0;
  std::uint32_t slot_ = 0;
  std::uint32_t slot_generation_ = 0;
  Order order_ = Order::high;
};

}  // namespace aspen::actor
