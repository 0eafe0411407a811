#include "tests/contract/memory_state_store.h"

#include <utility>

#include "node/base/assert.h"
#include "node/base/bytes.h"

namespace aspen::contract {
namespace {

using Rows = MemoryStateStore::Rows;

constexpr const char* rows_file = "/rows";
constexpr std::string_view end_of_rows = "the end";

void apply_batch(Rows& rows, const StateBatch& batch) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto operation = batch[i];
    if (operation.kind == StateBatch::Kind::put) {
      rows.insert_or_assign(std::string(operation.key), std::string(operation.value));
    } else if (const auto at = rows.find(operation.key); at != rows.end()) {
      rows.erase(at);
    }
  }
}

class MemoryIterator final : public StateIterator {
 public:
  MemoryIterator(std::shared_ptr<const Rows> rows, std::string lower, std::string upper)
      : rows_(std::move(rows)), lower_(std::move(lower)), upper_(std::move(upper)) {
    at_ = rows_->end();
  }

  void seek(std::string_view key) override {
    at_ = rows_->lower_bound(key < lower_ ? std::string_view(lower_) : key);
    settle();
  }
  void seek_for_prev(std::string_view key) override {
    at_ = upper_.empty() || key < upper_ ? rows_->upper_bound(key) : rows_->lower_bound(upper_);
    step_back();
  }
  void next() override {
    ASPEN_ASSERT(valid_);
    ++at_;
    settle();
  }
  void prev() override {
    ASPEN_ASSERT(valid_);
    step_back();
  }
  bool valid() const override { return valid_; }
  std::string_view key() const override {
    ASPEN_ASSERT(valid_);
    return at_->first;
  }
  std::string_view value() const override {
    ASPEN_ASSERT(valid_);
    return at_->second;
  }
  Result<void> status() const override { return {}; }

 private:
  void settle() {
    valid_ = at_ != rows_->end() && at_->first >= lower_ && (upper_.empty() || at_->first < upper_);
  }
  void step_back() {
    valid_ = at_ != rows_->begin();
    if (!valid_) return;
    --at_;
    settle();
  }

  std::shared_ptr<const Rows> rows_;
  std::string lower_;
  std::string upper_;
  Rows::const_iterator at_;
  bool valid_ = false;
};

// A view that is broken from the start, after set_read_error().
class BrokenIterator final : public StateIterator {
 public:
  explicit BrokenIterator(Error error) : error_(error) {}
  void seek(std::string_view /*key*/) override {}
  void seek_for_prev(std::string_view /*key*/) override {}
  void next() override { ASPEN_UNREACHABLE(); }
  void prev() override { ASPEN_UNREACHABLE(); }
  bool valid() const override { return false; }
  std::string_view key() const override { ASPEN_UNREACHABLE(); }
  std::string_view value() const override { ASPEN_UNREACHABLE(); }
  Result<void> status() const override { return tl::unexpected(error_); }

 private:
  Error error_;
};

std::optional<std::string> find(const Rows& rows, std::string_view key) {
  const auto at = rows.find(key);
  if (at == rows.end()) return std::nullopt;
  return at->second;
}

class MemorySnapshot final : public StateView {
 public:
  explicit MemorySnapshot(std::shared_ptr<const Rows> rows) : rows_(std::move(rows)) {}

  Result<std::optional<std::string>> get(std::string_view key) const override {
    return find(*rows_, key);
  }
  std::unique_ptr<StateIterator> iterator(std::string_view lower,
                                          std::string_view upper) const override {
    return std::make_unique<MemoryIterator>(rows_, std::string(lower), std::string(upper));
  }

 private:
  std::shared_ptr<const Rows> rows_;
};

}  // namespace

MemoryStateStore::MemoryStateStore() : rows_(std::make_shared<Rows>()) {}

MemoryStateStore::MemoryStateStore(FileSystem& files)
    : rows_(std::make_shared<Rows>()), files_(&files) {}

Result<std::optional<std::string>> MemoryStateStore::get(std::string_view key) const {
  if (read_error_) return tl::unexpected(*read_error_);
  return find(*rows_, key);
}

std::unique_ptr<StateIterator> MemoryStateStore::iterator(std::string_view lower,
                                                          std::string_view upper) const {
  if (read_error_) return std::make_unique<BrokenIterator>(*read_error_);
  return std::make_unique<MemoryIterator>(rows_, std::string(lower), std::string(upper));
}

Result<void> MemoryStateStore::write(const StateBatch& batch) {
  if (write_error_) return tl::unexpected(*write_error_);
  if (rows_.use_count() > 1) rows_ = std::make_shared<Rows>(*rows_);
  apply_batch(*rows_, batch);
  unflushed_.push_back(batch);
  ++writes_;
  return {};
}

std::unique_ptr<StateView> MemoryStateStore::snapshot() const {
  return std::make_unique<MemorySnapshot>(rows_);
}

Result<std::optional<std::string>> MemoryStateStore::get_durable(std::string_view key) const {
  if (read_error_) return tl::unexpected(*read_error_);
  return find(durable_, key);
}

Result<void> MemoryStateStore::flush() {
  flush_some(unflushed_.size());
  return {};
}

StateSizes MemoryStateStore::sizes() const {
  StateSizes sizes;
  for (const auto& [key, value] : *rows_) sizes.in_use_bytes += key.size() + value.size();
  sizes.on_disk_bytes = sizes.in_use_bytes;
  sizes.memory_bytes = sizes.in_use_bytes;
  return sizes;
}

Result<void> MemoryStateStore::checkpoint(const std::string& directory) {
  if (files_ == nullptr) return fail(Code::unsupported, "this store has no file system");
  Writer out;
  for (const auto& [key, value] : *rows_) out.bytes(key).bytes(value);
  const std::string text = out.take() + std::string(end_of_rows);
  if (auto made = files_->create_directory(directory); !made) return made;
  auto file = files_->open(directory + rows_file, OpenMode::create_new);
  if (!file) return tl::unexpected(file.error());
  const std::string_view part = text;
  if (auto written = (*file)->write(0, std::span(&part, 1)); !written) return written;
  if (auto synced = (*file)->sync(); !synced) return synced;
  if (auto synced = files_->sync_directory(directory); !synced) return synced;
  // As the flush that a checkpoint takes.
  flush_some(unflushed_.size());
  return {};
}

Result<Rows> MemoryStateStore::read_rows(const std::string& directory) const {
  if (files_ == nullptr) return fail(Code::unsupported, "this store has no file system");
  auto file = files_->open(directory + rows_file, OpenMode::existing);
  if (!file) return fail(Code::corrupt, "not a sound copy of a state");
  auto size = (*file)->size_bytes();
  if (!size) return tl::unexpected(size.error());
  std::string text(*size, '\0');
  auto got = (*file)->read(0, text);
  if (!got) return tl::unexpected(got.error());
  if (!text.ends_with(end_of_rows)) return fail(Code::corrupt, "not a sound copy of a state");
  Reader in(std::string_view(text).substr(0, text.size() - end_of_rows.size()));
  Rows rows;
  while (in.ok() && in.left() > 0) {
    std::string key(in.bytes());
    rows.insert_or_assign(std::move(key), std::string(in.bytes()));
  }
  if (!in.done()) return fail(Code::corrupt, "not a sound copy of a state");
  return rows;
}

Result<std::unique_ptr<StateView>> MemoryStateStore::view_checkpoint(
    const std::string& directory) const {
  auto rows = read_rows(directory);
  if (!rows) return tl::unexpected(rows.error());
  return std::unique_ptr<StateView>(
      std::make_unique<MemorySnapshot>(std::make_shared<const Rows>(std::move(*rows))));
}

Result<void> MemoryStateStore::install(const std::string& directory) {
  auto rows = read_rows(directory);
  if (!rows) return tl::unexpected(rows.error());
  if (auto removed = files_->remove(directory + rows_file); !removed) return removed;
  if (auto removed = files_->remove_directory(directory); !removed) return removed;
  durable_ = *rows;
  rows_ = std::make_shared<Rows>(std::move(*rows));
  unflushed_.clear();
  return {};
}

void MemoryStateStore::flush_some(std::size_t batches) {
  ASPEN_ASSERT(batches <= unflushed_.size());
  for (std::size_t i = 0; i < batches; ++i) {
    apply_batch(durable_, unflushed_.front());
    unflushed_.pop_front();
  }
}

void MemoryStateStore::crash(std::size_t batches) {
  flush_some(batches);
  unflushed_.clear();
  rows_ = std::make_shared<Rows>(durable_);
}

}  // namespace aspen::contract
