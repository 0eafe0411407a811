// A key-value store with the log that feeds it: tests append requests, apply them in batches of
// their choice, crash and replay.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "node/base/entry.h"
#include "node/kv/command.h"
#include "node/kv/request.h"
#include "node/kv/store.h"
#include "node/port/state_store.h"

namespace aspen::kv {

inline Entry command_entry(std::uint64_t index, const Request& request) {
  const CommandHeader header{{7, index}, 1000 + index};
  return {
      {Term(1), Index(index)}, EntryKind::command, encode_command(header, encode_request(request))};
}

class Machine {
 public:
  explicit Machine(StateStore& state) : state_(&state) { open(); }

  void open() {
    auto opened = Store::open(*state_);
    ASSERT_TRUE(opened.has_value()) << opened.error().what;
    store_.emplace(std::move(*opened));
  }

  void append(const Request& request) { log_.push_back(command_entry(log_.size() + 1, request)); }
  void append(Entry entry) {
    entry.id = {Term(1), Index(log_.size() + 1)};
    log_.push_back(std::move(entry));
  }

  // Applies all that is not applied, at most `batch` entries a call. The results of the commands.
  std::vector<CommandResult> apply_all(std::size_t batch = SIZE_MAX) {
    std::vector<CommandResult> results;
    while (store_->applied().index.value < log_.size()) {
      auto applied = apply_some(batch);
      if (!applied) {
        ADD_FAILURE() << applied.error().what;
        return results;
      }
      for (CommandResult& result : applied->results) results.push_back(std::move(result));
    }
    return results;
  }
  Result<Applied> apply_some(std::size_t batch) {
    const std::size_t at = store_->applied().index.value;
    const std::size_t count = std::min(batch, log_.size() - at);
    return store_->apply(std::span(log_).subspan(at, count));
  }

  // Appends and applies one request.
  Result<Response> run(const Request& request) {
    append(request);
    auto results = apply_all();
    EXPECT_EQ(results.size(), 1U);
    return std::move(results.back().response);
  }
  template <class T>
  Result<T> run_as(const Request& request) {
    auto response = run(request);
    if (!response) return tl::unexpected(response.error());
    return std::get<T>(std::move(*response));
  }

  Snapshot snapshot() {
    auto snapshot = store_->snapshot();
    EXPECT_TRUE(snapshot.has_value());
    return std::move(*snapshot);
  }
  Result<RangeResponse> range(const RangeRequest& request) { return snapshot().range(request); }
  HashKvResponse hash(Revision revision = 0) {
    const auto hash = snapshot().hash_kv(revision);
    EXPECT_TRUE(hash.has_value()) << hash.error().what;
    return hash.value_or(HashKvResponse{});
  }
  void clean_all(std::size_t rows = 16) {
    while (store_->clean_pending()) ASSERT_TRUE(store_->clean(rows).has_value());
  }

  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] const std::vector<Entry>& log() const { return log_; }
  [[nodiscard]] StateStore& state() { return *state_; }

 private:
  StateStore* state_;
  std::optional<Store> store_;
  std::vector<Entry> log_;
};

// ---- short spellings

inline PutRequest put(std::string key, std::string value) {
  PutRequest request;
  request.key = std::move(key);
  request.value = std::move(value);
  return request;
}
inline DeleteRangeRequest del(std::string key, std::string range_end = "") {
  return {std::move(key), std::move(range_end), false};
}
inline RangeRequest get(std::string key, std::string range_end = "") {
  RangeRequest request;
  request.key = std::move(key);
  request.range_end = std::move(range_end);
  return request;
}
inline CompactRequest compact(Revision revision) {
  return {revision, false};
}
inline Compare compare(std::string key, CompareTarget target, CompareResult result,
                       std::int64_t number) {
  return {result, target, std::move(key), "", number, ""};
}
inline Compare compare_value(std::string key, CompareResult result, std::string value) {
  return {result, CompareTarget::value, std::move(key), "", 0, std::move(value)};
}

}  // namespace aspen::kv
