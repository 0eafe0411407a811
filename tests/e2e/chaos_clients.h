// Clients that write, read and compare-and-swap through every node while nodes die, and remember
// what they were told.
//
// Two kinds: writers put unique keys as fast as they are answered; register clients work on a few
// keys at a pace that keeps their history checkable. Owner: one test. Threads: its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/sim/wgl.h"

namespace aspen::e2e {

enum class Told : std::uint8_t { done, refused, unknown };

struct WriteRecord {
  std::string key;
  Told told = Told::unknown;
  std::int64_t revision = 0;  // done
  std::uint64_t invoked_ns = 0;
  std::uint64_t returned_ns = 0;
};

struct ChaosOptions {
  std::vector<std::string> endpoints;
  std::size_t writers = 24;
  std::size_t register_clients = 8;
  std::size_t registers = 8;
  std::uint64_t seed = 1;
  // Bit i: endpoint i is used. Changed meanwhile as members come and go; null: all are.
  std::shared_ptr<const std::atomic<std::uint64_t>> targets = {};
};

[[nodiscard]] std::uint64_t now_ns();

class ChaosClients {
 public:
  explicit ChaosClients(ChaosOptions options);
  ~ChaosClients();
  ChaosClients(const ChaosClients&) = delete;
  ChaosClients& operator=(const ChaosClients&) = delete;

  void start();
  // Lets every client finish its operation.
  void stop();

  // After stop().
  [[nodiscard]] const std::vector<WriteRecord>& writes() const { return writes_; }
  [[nodiscard]] const std::vector<sim::Operation>& history() const { return history_; }
  // The earliest return of a write that was invoked at or after `ns`; 0 if there is none yet.
  [[nodiscard]] std::uint64_t first_done_after(std::uint64_t ns) const;
  [[nodiscard]] std::size_t writes_done() const { return done_.load(); }

 private:
  void write_loop(std::size_t client);
  void register_loop(std::size_t client);

  ChaosOptions options_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> done_{0};
  mutable std::mutex mutex_;  // of the two records
  std::vector<WriteRecord> writes_;
  std::vector<sim::Operation> history_;
  std::vector<std::thread> threads_;
};

}  // namespace aspen::e2e
