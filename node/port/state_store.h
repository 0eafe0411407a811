// The state machine's storage: one ordered map of byte strings, with atomic batches and snapshots.
// A batch is atomic but not durable by itself: the Raft log is the write-ahead log, and after a
// crash the store holds the effect of some prefix of the batches (whole batches, in order).
//
// Owner: one writer (the applier); any thread may read and take snapshots. Every implementation
// passes tests/contract/state_store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/base/error.h"
#include "node/base/ids.h"

namespace aspen {

// Operations in order, in one block of memory; the last one on a key wins.
class StateBatch {
 public:
  enum class Kind : std::uint8_t { put, erase };
  // The views are valid until the batch changes.
  struct Operation {
    Kind kind;
    std::string_view key;
    std::string_view value;
  };

  void put(std::string_view key, std::string_view value) { append(Kind::put, key, value); }
  void erase(std::string_view key) { append(Kind::erase, key, {}); }

  // The number of operations.
  [[nodiscard]] std::size_t size() const noexcept { return heads_.size(); }
  [[nodiscard]] bool empty() const noexcept { return heads_.empty(); }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return text_.size(); }
  // Precondition: i < size().
  [[nodiscard]] Operation operator[](std::size_t i) const noexcept {
    const Head& head = heads_[i];
    const std::string_view text = std::string_view(text_).substr(head.offset);
    return {head.kind, text.substr(0, head.key_bytes),
            text.substr(head.key_bytes, head.value_bytes)};
  }

  void reserve(std::size_t size_bytes) { text_.reserve(size_bytes); }
  void clear() noexcept {
    heads_.clear();
    text_.clear();
  }
  // Takes back all but the first `size` operations. Precondition: size <= size().
  void truncate(std::size_t size) noexcept {
    if (size == heads_.size()) return;
    text_.resize(heads_[size].offset);
    heads_.resize(size);
  }

 private:
  struct Head {
    std::size_t offset = 0;
    std::uint32_t key_bytes = 0;
    std::uint32_t value_bytes = 0;
    Kind kind = Kind::put;
  };
  void append(Kind kind, std::string_view key, std::string_view value) {
    heads_.push_back({text_.size(), static_cast<std::uint32_t>(key.size()),
                      static_cast<std::uint32_t>(value.size()), kind});
    text_.append(key).append(value);
  }

  std::vector<Head> heads_;
  std::string text_;
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
  // The values of the first of `keys`, in their order: of as many as fit into bytes_max, and at
  // least of one. Precondition: keys is not empty. Possible errors: as get().
  [[nodiscard]] virtual Result<std::vector<std::optional<std::string>>> multi_get(
      std::span<const std::string> keys, std::size_t bytes_max) const {
    std::vector<std::optional<std::string>> values;
    std::size_t bytes = 0;
    for (const std::string& key : keys) {
      auto value = get(key);
      if (!value) return tl::unexpected(value.error());
      bytes += *value ? (*value)->size() : 0;
      if (bytes > bytes_max && !values.empty()) break;
      values.push_back(std::move(*value));
    }
    return values;
  }
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

  // ---- snapshots: a directory with a copy of the state, whose files travel as they are
  // Makes one with everything that was written before the call, durable when it returns. It costs
  // a flush and links, not a copy. Any thread. Precondition: `directory` does not exist, its parent
  // does and lies on the store's file system. Possible errors: no_space, io_error.
  [[nodiscard]] virtual Result<void> checkpoint(const std::string& directory) = 0;
  // Reads such a directory, made here or elsewhere, and changes nothing in it. Any thread. Possible
  // errors: corrupt (no sound copy).
  [[nodiscard]] virtual Result<std::unique_ptr<StateView>> view_checkpoint(
      const std::string& directory) const = 0;
  // Takes over such a directory, made here or elsewhere, in place of all that is stored: durable
  // when it returns, and a crash at any point leaves the whole of the old state or of the new one.
  // Views and iterators show what they showed. Called by the writer. Possible errors: corrupt (no
  // sound copy; the old state stays), no_space and io_error (the process must end: either may be
  // found by the next).
  [[nodiscard]] virtual Result<void> install(const std::string& directory) = 0;
};

}  // namespace aspen
