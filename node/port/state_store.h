// The state machine's storage: one ordered map of byte strings, with atomic batches and snapshots.
// A batch is atomic but not durable by itself: the Raft log is the write-ahead log, and after a
// crash the store holds the effect of some prefix of the batches (whole batches, in order).
//
// Owner: one writer (the applier); any thread may read and take snapshots. Every implementation
// passes tests/contract/state_store.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/base/error.h"
#include "node/base/ids.h"

namespace aspen {

class StateBatch {
 public:
  struct Operation {
    enum class Kind : std::uint8_t { put, erase } kind;
    std::string key;
    std::string value;
  };
  void put(std::string key, std::string value) {
    bytes_ += key.size() + value.size();
    operations_.push_back({Operation::Kind::put, std::move(key), std::move(value)});
  }
  void erase(std::string key) {
    bytes_ += key.size();
    operations_.push_back({Operation::Kind::erase, std::move(key), {}});
  }
  [[nodiscard]] const std::vector<Operation>& operations() const noexcept { return operations_; }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool empty() const noexcept { return operations_.empty(); }
  void clear() noexcept {
    operations_.clear();
    bytes_ = 0;
  }

 private:
  std::vector<Operation> operations_;
  std::size_t bytes_ = 0;
};

// Walks keys in byte order. A view stays valid until the next call that moves the iterator.
class StateIterator {
 public:
  virtual ~StateIterator() = default;
  virtual void seek(std::string_view key) = 0;           // first key >= key
  virtual void seek_for_prev(std::string_view key) = 0;  // last key <= key
  virtual void next() = 0;                               // precondition: valid()
  virtual void prev() = 0;                               // precondition: valid()
  [[nodiscard]] virtual bool valid() const = 0;
  [[nodiscard]] virtual std::string_view key() const = 0;
  [[nodiscard]] virtual std::string_view value() const = 0;
  // Possible errors: io_error, corrupt. Check it when valid() turned false.
  [[nodiscard]] virtual Result<void> status() const = 0;
};

// A reader's view. A snapshot's view never changes; the store's own is the newest state.
class StateView {
 public:
  virtual ~StateView() = default;
  // Possible errors: io_error, corrupt. An absent key is nullopt, no error.
  [[nodiscard]] virtual Result<std::optional<std::string>> get(std::string_view key) const = 0;
  // Keys in [lower, upper); an empty upper means no bound.
  [[nodiscard]] virtual std::unique_ptr<StateIterator> iterator(std::string_view lower,
                                                                std::string_view upper) const = 0;
};

struct StateSizes {
  std::uint64_t on_disk_bytes = 0;
  std::uint64_t in_use_bytes = 0;  // an estimate of live data
  std::uint64_t memory_bytes = 0;  // memtables, caches and filters
};

class StateStore : public StateView {
 public:
  // Applies all operations or none. Possible errors: io_error, corrupt, no_space.
  [[nodiscard]] virtual Result<void> write(const StateBatch& batch) = 0;
  [[nodiscard]] virtual std::unique_ptr<StateView> snapshot() const = 0;

  // The value of `key` as it would be found after a crash now.
  [[nodiscard]] virtual Result<std::optional<std::string>> get_durable(
      std::string_view key) const = 0;
  // Starts to make the current state durable, in the background; get_durable() shows when.
  [[nodiscard]] virtual Result<void> flush() = 0;
  [[nodiscard]] virtual StateSizes sizes() const = 0;
};

}  // namespace aspen
