// A log store that fails as the test says, over one in memory.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "tests/contract/memory_log_store.h"

namespace aspen::replica {

struct LogFaults {
  bool full = false;       // entries find no room; votes do
  bool open_full = false;  // nor does the first segment
};

class FaultyLog final : public LogStore {
 public:
  FaultyLog(std::shared_ptr<contract::MemoryLogStore> log, const LogFaults& faults)
      : log_(std::move(log)), faults_(faults) {}

  [[nodiscard]] const LogRecovered& recovered() const override { return log_->recovered(); }
  [[nodiscard]] Result<void> append(const LogBatch& batch) override {
    if (faults_.full && !batch.entries.empty()) return fail(Code::no_space, "the disk is full");
    return log_->append(batch);
  }
  void sync(std::function<void(Result<void>)> done) override { log_->sync(std::move(done)); }
  [[nodiscard]] Result<std::vector<Entry>> read(Index lo, Index hi,
                                                std::uint64_t bytes_max) const override {
    return log_->read(lo, hi, bytes_max);
  }
  [[nodiscard]] Result<void> purge(Index through) override { return log_->purge(through); }
  [[nodiscard]] Index purge_for(std::uint64_t bytes_max) const override {
    return log_->purge_for(bytes_max);
  }
  [[nodiscard]] Index last() const override { return log_->last(); }
  [[nodiscard]] std::uint64_t size_bytes() const override { return log_->size_bytes(); }

 private:
  std::shared_ptr<contract::MemoryLogStore> log_;
  const LogFaults& faults_;
};

}  // namespace aspen::replica
