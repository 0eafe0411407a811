// A poller that serves nothing and can be woken: for workers without input and output.
#pragma once

#include <condition_variable>
#include <mutex>

#include "node/port/poller.h"

namespace aspen::actor {

class ThreadPoller final : public Poller {
 public:
  void wait(Duration longest) override;
  void wake() noexcept override;

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  bool wake_ = false;
};

}  // namespace aspen::actor
