#include "node/actor/thread_poller.h"

namespace aspen::actor {

void ThreadPoller::wait(Duration longest) {
  if (longest == Duration::zero()) return;
  std::unique_lock<std::mutex> lock(mutex_);
  woken_.wait_for(lock, longest, [this] { return wake_; });
  wake_ = false;
}

void ThreadPoller::wake() noexcept {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    wake_ = true;
  }
  woken_.notify_one();
}

}  // namespace aspen::actor
