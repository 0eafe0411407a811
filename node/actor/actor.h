// The header for those who write actors.
//
//   struct Add { int by; };
//   struct Sum { using Reply = int; };
//   using CounterProtocol = Protocol<Add, Sum>;
//
//   class Counter final : public Actor<Counter, CounterProtocol> {
//    public:
//     void on(Add&& add, Context<Counter>&) noexcept { sum_ += add.by; }
//     void on(Sum&&, Responder<int>&& to, Context<Counter>&) noexcept { to.reply(sum_); }
//    private:
//     int sum_ = 0;
//   };
//
// One overload of `on` per message of the protocol, and none that takes anything. A handler is
// noexcept, never blocks, and runs to completion; what it waits for is an answer, a timer or a
// message that comes later. It fails by context.fail().
//
// Optional hooks, all noexcept, each called on the actor's thread:
//   Result<void> pre_start(Context<A>&)   first of all, in every incarnation; an error is a failure
//   void post_start(Context<A>&)          right after pre_start succeeded
//   void batch_end(Context<A>&)           at the end of each turn in which messages (answers and
//                                         timers among them) were handled, once; not after fail()
//   void child_ended(const ChildEnd&, Context<A>&)   a child is gone for good, and this actor lives
//   void post_stop(Context<A>&)           after all children have ended, if pre_start had
//   succeeded:
//                                         before a restart and at the end; not when killed
//
// Life: the instance is made, started, and ended on its home worker; one handler at a time. While a
// failed actor waits for its restart the mailbox takes and keeps messages. The next instance is
// made only after the former is destroyed, under the same ref. The former's timers and open asks
// end with it, its children are stopped.
//
// An actor supervises its children, each by its ChildOptions (options.h). When a child ends too
// often, the actor fails with the child's error; the System's root, which supervises what was
// spawned from outside, reports on_give_up.
#pragma once

#include "node/actor/context.h"
#include "node/actor/options.h"
#include "node/actor/protocol.h"
#include "node/actor/ref.h"
#include "node/actor/responder.h"
#include "node/actor/timer.h"

namespace aspen::actor {

template <class Self, class P>
class Actor {
 public:
  using ProtocolType = P;
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

 protected:
  Actor() = default;
  ~Actor() = default;
};

}  // namespace aspen::actor
