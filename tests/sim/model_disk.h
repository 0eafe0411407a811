// The log of one replica on a disk that forgets. What was submitted is readable at once (the view)
// and durable after a while (the durable image); a crash keeps any prefix of what waits, and of the
// first LogIo that it does not keep perhaps a part, in the order truncate, hard state, entries.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "node/base/entry.h"
#include "node/raft/core.h"
#include "tests/sim/dice.h"
#include "tests/sim/plan.h"

namespace aspen::sim {

// An entry and the hash of the log up to it.
struct Slot {
  Entry entry;
  std::uint64_t chain = 0;
};

class LogImage {
 public:
  HardState hard_state;

  [[nodiscard]] LogId purged() const noexcept { return purged_; }
  [[nodiscard]] Index last() const noexcept { return purged_.index + size(); }
  [[nodiscard]] LogId last_id() const noexcept;
  // Null if the entry is not there.
  [[nodiscard]] const Slot* at(Index index) const noexcept;
  // Hash of the log up to `index`, known from the purge point on.
  [[nodiscard]] std::optional<std::uint64_t> chain_at(Index index) const noexcept;
  [[nodiscard]] std::optional<Term> term_at(Index index) const noexcept;
  // Precondition: `from` is above the purge point.
  void truncate(Index from);
  // From `from` on. Precondition: as truncate().
  [[nodiscard]] std::vector<Slot> tail(Index from) const;
  // Precondition: it follows the last one.
  void append(Slot slot);
  [[nodiscard]] std::uint64_t chain_after(const Entry& entry) const noexcept;
  // Precondition: purge point <= through <= last.
  void purge(Index through);
  // All of it goes; it begins behind the snapshot.
  void reset(const raft::SnapshotMeta& meta, std::uint64_t chain);
  [[nodiscard]] const std::vector<raft::LoggedConfig>& configs() const noexcept { return configs_; }

  // All but self, applied, seed and tuning.
  [[nodiscard]] raft::BootState recover() const;

 private:
  [[nodiscard]] std::size_t size() const noexcept { return slots_.size() - gone_; }

  LogId purged_;
  std::uint64_t purged_chain_ = 0;
  std::vector<Slot> slots_;  // the first `gone_` are purged
  std::size_t gone_ = 0;
  std::vector<raft::LoggedConfig> configs_;  // at the purge point and above
};

class ModelDisk {
 public:
  ModelDisk(const DiskPlan& plan, Dice dice) : plan_(plan), dice_(dice) {}

  [[nodiscard]] const LogImage& view() const noexcept { return view_; }
  [[nodiscard]] const LogImage& durable() const noexcept { return durable_; }
  // The state before the first boot.
  void format(HardState hard_state, std::vector<Entry> entries);

  // `chain`: of the state, for a reset.
  void submit(const raft::LogIo& io, std::uint64_t chain);
  // Opening: the state is that of a snapshot which the log does not lead to.
  void adopt(const raft::SnapshotMeta& meta, std::uint64_t chain);
  void purge(Index through);
  // Starts the next write and fsync if there is one and none is under way; when it ends.
  [[nodiscard]] std::optional<Time> start(Time now);
  // The newest LogIo that was submitted and is not durable; 0 if there is none.
  [[nodiscard]] raft::IoId newest() const noexcept;
  [[nodiscard]] bool busy() const noexcept { return under_way_ > 0; }
  // What was under way is durable. The last LogIo of it, 0 if there was none.
  raft::IoId finish();

  struct Loss {
    std::size_t kept = 0;
    std::size_t waiting = 0;
  };
  Loss crash();

  void stall(Time until) noexcept { stalled_until_ = until; }
  void slow_down(std::uint64_t factor) noexcept { factor_ = factor; }
  // Neither slow nor stalled any more.
  void heal() noexcept;

 private:
  struct Item {
    raft::IoId id;  // 0: a purge
    std::optional<Index> truncate_from;
    std::optional<HardState> hard_state;
    std::vector<Slot> append;
    Index purge;
    std::optional<raft::SnapshotMeta> reset;
    std::uint64_t chain = 0;
  };
  void make_durable(Item& item);
  void make_part_durable(Item& item);

  DiskPlan plan_;
  Dice dice_;
  LogImage view_;
  LogImage durable_;
  std::deque<Item> queue_;
  std::size_t under_way_ = 0;  // of the queue
  Time stalled_until_ = 0;
  std::uint64_t factor_ = 1;
};

}  // namespace aspen::sim
