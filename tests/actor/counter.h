// The smallest actor, for tests that need any.
#pragma once

#include "node/actor/actor.h"

namespace aspen::actor {

struct Add {
  int by;
};
struct Sum {
  using Reply = int;
};
struct Fail {};
struct Quit {};
using CounterProtocol = Protocol<Add, Sum, Fail, Quit>;

class Counter final : public Actor<Counter, CounterProtocol> {
 public:
  Counter() = default;
  explicit Counter(int start) : sum_(start) {}

  void on(Add&& add, Context<Counter>&) noexcept { sum_ += add.by; }
  void on(Sum&&, Responder<int>&& responder, Context<Counter>&) noexcept { responder.reply(sum_); }
  void on(Fail&&, Context<Counter>& context) noexcept {
    context.fail(Error{Code::corrupt, "asked to fail"});
  }
  void on(Quit&&, Context<Counter>& context) noexcept { context.stop(); }

 private:
  int sum_ = 0;
};

}  // namespace aspen::actor
