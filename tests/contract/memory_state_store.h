// A StateStore in memory for simulators and tests, with the crash of a real one: what was written
// since the last flush survives as a prefix of whole batches, as long as the caller chooses.
// One thread; a snapshot may be read on another (it shares immutable memory).
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "node/port/file_system.h"
#include "node/port/state_store.h"

namespace aspen::contract {

class MemoryStateStore final : public StateStore {
 public:
  using Rows = std::map<std::string, std::string, std::less<>>;

  MemoryStateStore();
  // Checkpoints are directories there, with one file. It outlives the store.
  explicit MemoryStateStore(FileSystem& files);

  Result<std::optional<std::string>> get(std::string_view key) const override;
  std::unique_ptr<StateIterator> iterator(std::string_view lower,
                                          std::string_view upper) const override;
  Result<void> write(const StateBatch& batch) override;
  std::unique_ptr<StateView> snapshot() const override;
  Result<std::optional<std::string>> get_durable(std::string_view key) const override;
  // Durable at once.
  Result<void> flush() override;
  StateSizes sizes() const override;
  Result<void> checkpoint(const std::string& directory) override;
  Result<std::unique_ptr<StateView>> view_checkpoint(const std::string& directory) const override;
  Result<void> install(const std::string& directory) override;

  // ---- for tests
  // Batches since the last flush.
  [[nodiscard]] std::size_t unflushed() const noexcept { return unflushed_.size(); }
  // The process dies: the first `batches` of the unflushed ones survive.
  // Precondition: batches <= unflushed().
  void crash(std::size_t batches);
  // Makes the first `batches` of the unflushed ones durable, as a background flush may.
  // Precondition: batches <= unflushed().
  void flush_some(std::size_t batches);
  // Every write fails with it until it is reset; reads go on.
  void set_write_error(std::optional<Error> error) { write_error_ = error; }
  // Every read fails with it until it is reset.
  void set_read_error(std::optional<Error> error) { read_error_ = error; }
  [[nodiscard]] const Rows& rows() const noexcept { return *rows_; }
  [[nodiscard]] std::uint64_t writes() const noexcept { return writes_; }

 private:
  [[nodiscard]] Result<Rows> read_rows(const std::string& directory) const;

  // Shared with snapshots; copied before a write while one is alive.
  std::shared_ptr<Rows> rows_;
  Rows durable_;
  std::deque<StateBatch> unflushed_;
  std::optional<Error> write_error_;
  std::optional<Error> read_error_;
  std::uint64_t writes_ = 0;
  FileSystem* files_ = nullptr;
};

}  // namespace aspen::contract
