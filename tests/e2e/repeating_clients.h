// Threads that do one thing over and over while a test does something else.
//
// Owner: one test. Threads: one for each client.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace aspen::e2e {

class RepeatingClients {
 public:
  // Each client calls `step(client, i)` with i = 0, 1, ... until it returns false or stop().
  using Step = std::function<bool(std::size_t client, std::size_t i)>;

  RepeatingClients(std::size_t count, const Step& step) {
    for (std::size_t client = 0; client < count; ++client) {
      threads_.emplace_back([this, step, client] {
        for (std::size_t i = 0; !stopping_ && step(client, i);) ++i;
      });
    }
  }
  ~RepeatingClients() { stop(); }
  RepeatingClients(const RepeatingClients&) = delete;
  RepeatingClients& operator=(const RepeatingClients&) = delete;

  // Lets every client finish its step.
  void stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace aspen::e2e
