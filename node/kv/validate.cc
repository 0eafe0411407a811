#include "node/kv/validate.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/errors.h"

namespace aspen::kv {
namespace {

bool known(SortOrder order) {
  return order >= SortOrder::none && order <= SortOrder::descend;
}

bool known(SortTarget target) {
  return target >= SortTarget::key && target <= SortTarget::value;
}

Result<void> check_txn(const TxnRequest& request, std::size_t operations_max);

Result<void> check_operation(const RequestOp& operation, std::size_t operations_max) {
  ASPEN_ASSERT(operations_max <= limits::txn_operations_max);
  if (const auto* range = std::get_if<RangeRequest>(&operation.request)) return validate(*range);
  if (const auto* put = std::get_if<PutRequest>(&operation.request)) return validate(*put);
  if (const auto* erase = std::get_if<DeleteRangeRequest>(&operation.request)) {
    return validate(*erase);
  }
  if (const auto* nested = std::get_if<TxnRequest>(&operation.request)) {
    return check_txn(*nested, operations_max);
  }
  return tl::unexpected(errors::key_not_found);
}

Result<void> check_txn(const TxnRequest& request, std::size_t operations_max) {
  const std::size_t operations =
      std::max({request.compare.size(), request.success.size(), request.failure.size()});
  if (operations > operations_max) return tl::unexpected(errors::too_many_operations);
  for (const Compare& compare : request.compare) {
    if (compare.key.empty()) return tl::unexpected(errors::empty_key);
  }
  // A nested transaction may use what its parents have left: this bounds the depth.
  const std::size_t left = operations_max - operations;
  ASPEN_ASSERT(request.success.empty() || left < operations_max);
  ASPEN_ASSERT(request.failure.empty() || left < operations_max);
  for (const auto* branch : {&request.success, &request.failure}) {
    for (const RequestOp& operation : *branch) {
      if (const auto sound = check_operation(operation, left); !sound) return sound;
    }
  }
  return {};
}

// The keys that delete ranges cover, as the duplicate check sees them: half-open intervals, joined
// where they meet, so that each of very many operations costs a search only.
class Cover {
 public:
  void add(const DeleteRangeRequest& request) {
    if (request.range_end.empty()) {
      add(request.key, request.key + '\0');
    } else {
      add(request.key, request.range_end);
    }
  }
  void add(const Cover& other) {
    for (const auto& [begin, end] : other.intervals_) add(begin, end);
  }

  [[nodiscard]] bool contains(std::string_view key) const {
    auto at = intervals_.upper_bound(key);
    if (at == intervals_.begin()) return false;
    --at;
    ASPEN_ASSERT(at->first <= key);
    return key < at->second;
  }

 private:
  // An interval that ends before it begins covers nothing: so does one up to no bound, whose end
  // is a zero byte.
  void add(std::string begin, std::string end) {
    if (end <= begin) return;
    auto at = intervals_.upper_bound(begin);
    if (at != intervals_.begin() && std::prev(at)->second >= begin) --at;
    while (at != intervals_.end() && at->first <= end) {
      begin = std::min(begin, at->first);
      end = std::max(end, at->second);
      at = intervals_.erase(at);
    }
    ASPEN_ASSERT(begin < end);
    intervals_.emplace_hint(at, std::move(begin), std::move(end));
  }

  std::map<std::string, std::string, std::less<>> intervals_;
};

// What the operations of a path may write.
struct Writes {
  std::set<std::string, std::less<>> puts;
  Cover deletes;
};

Result<Writes> check_intervals(const std::vector<RequestOp>& operations);

// A nested transaction: its branches exclude each other, but neither may meet what `writes` holds.
Result<void> check_nested(const TxnRequest& request, Writes& writes) {
  auto success = check_intervals(request.success);
  if (!success) return tl::unexpected(success.error());
  auto failure = check_intervals(request.failure);
  if (!failure) return tl::unexpected(failure.error());
  for (const std::string& key : success->puts) {
    const bool twice = writes.puts.contains(key) || writes.deletes.contains(key);
    if (twice) return tl::unexpected(errors::duplicate_key);
  }
  for (const std::string& key : failure->puts) {
    const bool twice = writes.puts.contains(key) || writes.deletes.contains(key);
    if (twice) return tl::unexpected(errors::duplicate_key);
  }
  const std::size_t before = writes.puts.size() + success->puts.size();
  writes.puts.merge(success->puts);
  writes.puts.merge(failure->puts);
  ASPEN_ASSERT(writes.puts.size() >= before);
  // The branches may share keys, so their union may be smaller than both together, never than one.
  ASPEN_ASSERT(writes.puts.size() >= failure->puts.size());
  writes.deletes.add(success->deletes);
  writes.deletes.add(failure->deletes);
  return {};
}

// etcd's order: the deletes of this level, then nested transactions one by one, then its puts.
// Depth: limited by check_txn().
Result<Writes> check_intervals(const std::vector<RequestOp>& operations) {
  Writes writes;
  for (const RequestOp& operation : operations) {
    const auto* erase = std::get_if<DeleteRangeRequest>(&operation.request);
    if (erase != nullptr) writes.deletes.add(*erase);
  }
  for (const RequestOp& operation : operations) {
    const auto* nested = std::get_if<TxnRequest>(&operation.request);
    if (nested == nullptr) continue;
    if (const auto sound = check_nested(*nested, writes); !sound) {
      return tl::unexpected(sound.error());
    }
  }
  for (const RequestOp& operation : operations) {
    const auto* put = std::get_if<PutRequest>(&operation.request);
    if (put == nullptr) continue;
    ASPEN_ASSERT(!put->key.empty());
    if (writes.deletes.contains(put->key) || !writes.puts.insert(put->key).second) {
      return tl::unexpected(errors::duplicate_key);
    }
  }
  ASPEN_ASSERT(operations.size() <= limits::txn_operations_max);
  return writes;
}

bool all_are_ranges(const std::vector<RequestOp>& operations) {
  return std::all_of(operations.begin(), operations.end(), [](const RequestOp& operation) {
    return std::holds_alternative<RangeRequest>(operation.request);
  });
}

bool all_are_serializable(const std::vector<RequestOp>& operations) {
  return std::all_of(operations.begin(), operations.end(), [](const RequestOp& operation) {
    const auto* range = std::get_if<RangeRequest>(&operation.request);
    return range != nullptr && range->serializable;
  });
}

}  // namespace

Result<void> validate(const RangeRequest& request) {
  if (request.key.empty()) return tl::unexpected(errors::empty_key);
  if (!known(request.sort_order) || !known(request.sort_target)) {
    return tl::unexpected(errors::invalid_sort_option);
  }
  return {};
}

Result<void> validate(const PutRequest& request) {
  if (request.key.empty()) return tl::unexpected(errors::empty_key);
  if (request.ignore_value && !request.value.empty()) {
    return tl::unexpected(errors::value_provided);
  }
  if (request.ignore_lease && request.lease != 0) return tl::unexpected(errors::lease_provided);
  return {};
}

Result<void> validate(const DeleteRangeRequest& request) {
  if (request.key.empty()) return tl::unexpected(errors::empty_key);
  return {};
}

Result<void> validate(const TxnRequest& request) {
  if (const auto sound = check_txn(request, limits::txn_operations_max); !sound) return sound;
  for (const auto* branch : {&request.success, &request.failure}) {
    const auto writes = check_intervals(*branch);
    if (!writes) return tl::unexpected(writes.error());
  }
  return {};
}

Result<void> validate(const CompactRequest& /*request*/) {
  return {};
}

Result<void> validate(const Request& request) {
  return std::visit([](const auto& one) { return validate(one); }, request);
}

Result<void> validate_size(const Request& request) {
  if (etcd_size_bytes(request) + limits::etcd_envelope_bytes > limits::request_bytes_max) {
    return tl::unexpected(errors::request_too_large);
  }
  return {};
}

bool is_read_only(const TxnRequest& request) noexcept {
  return all_are_ranges(request.success) && all_are_ranges(request.failure);
}

bool is_serializable(const TxnRequest& request) noexcept {
  return all_are_serializable(request.success) && all_are_serializable(request.failure);
}

}  // namespace aspen::kv
