// Controls that a timer of the runtime delivers to a cell. Inner header of cell.cc and
// supervisor.cc.
#pragma once

#include <memory>

#include "node/actor/cell.h"

namespace aspen::actor {

// A control that a timer of the runtime delivers.
template <class C>
struct Due {
  TimerId id;
  C what;

  static void run(Cell& cell, Node& node) noexcept {
    Due& due = payload<Due>(node);
    if (cell.timers().deliver(due.id)) cell.on(C(due.what));
    std::destroy_at(&due);
  }
  static void drop(Node& node, Code) noexcept { std::destroy_at(&payload<Due>(node)); }
  static constexpr MessageType type{&run, &drop};
};

template <class C>
class DueSource final : public TimerSource {
 public:
  DueSource(std::uint32_t generation, C what) : generation_(generation), what_(what) {}
  Node& make(TimerId id) noexcept override {
    Node& node = make_node(Due<C>::type, Due<C>{id, what_});
    node.generation = generation_;
    node.order = C::order;
    return node;
  }

 private:
  std::uint32_t generation_;
  C what_;
};

template <class C>
TimerId Cell::arm_control(Instant at, C what) {
  ++timers_;
  return timers().arm({*this, at, Duration::zero()},
                      std::make_unique<DueSource<C>>(generation(), what));
}

}  // namespace aspen::actor
