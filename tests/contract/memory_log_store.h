// A log store in memory: the model that the contract tests compare with, and a fast store for
// simulators. It tells durable from appended batches, so that a crash can lose what was not synced.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "node/port/log_store.h"

namespace aspen::contract {

class MemoryLogStore final : public LogStore {
 public:
  [[nodiscard]] const LogRecovered& recovered() const override { return recovered_; }
  [[nodiscard]] Result<void> append(const LogBatch& batch) override;
  // Calls `done` inside the call.
  void sync(std::function<void(Result<void>)> done) override;
  [[nodiscard]] Result<std::vector<Entry>> read(Index lo, Index hi,
                                                std::uint64_t bytes_max) const override;
  // Purges at once; durable with the next sync.
  [[nodiscard]] Result<void> purge(Index through) override;
  [[nodiscard]] Index purge_for(std::uint64_t bytes_max) const override;
  [[nodiscard]] Index last() const override { return now_.last; }
  [[nodiscard]] std::uint64_t size_bytes() const override;

  // Batches appended since the last sync.
  [[nodiscard]] std::size_t pending() const noexcept { return pending_.size(); }
  // The process ends and starts again; the first `kept` pending batches survive. Precondition:
  // kept <= pending().
  void restart(std::size_t kept);

  // What a store that was opened now would report.
  [[nodiscard]] LogRecovered summary() const;

 private:
  struct Log {
    HardState hard_state;
    LogId purged;
    Index last;
    std::map<Index, Entry> entries;
    std::optional<Entry> config_at_purge;

    void apply(const LogBatch& batch);
  };

  Log durable_;
  Log now_;
  std::vector<LogBatch> pending_;
  LogRecovered recovered_;
};

}  // namespace aspen::contract
