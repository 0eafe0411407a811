#include "node/actor/endpoint.h"

#include "node/actor/cell.h"
#include "node/actor/worker.h"

namespace aspen::actor {

bool Endpoint::admit() noexcept {
  return Worker::current() == &home_ ? mailbox_.admit_local() : mailbox_.admit_remote();
}

void Endpoint::push(Node& node) noexcept {
  ASPEN_ASSERT(node.type != nullptr);
  ASPEN_ASSERT(node.generation != 0);
  if (Worker::current() == &home_) {
    mailbox_.push_local(node);
    if (!std::exchange(scheduled_, true)) home_.enqueue(static_cast<Cell&>(*this));
  } else if (mailbox_.push_remote(node)) {
    home_.hand_over(static_cast<Cell&>(*this));
  }
}

}  // namespace aspen::actor
