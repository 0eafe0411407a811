#include <cstddef>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "node/base/assert.h"
#include "node/kv/errors.h"
#include "node/kv/writer.h"

// Transactions: all compares, nested ones included, are evaluated against the state before the
// transaction; then every operation of the chosen path is checked; then it is executed. Nesting is
// bounded by limits::txn_depth_max (the decoder).
namespace aspen::kv {

class Writer::Path {
 public:
  // The position of a transaction whose choice is not made yet.
  [[nodiscard]] std::size_t reserve() {
    choices_.push_back(false);
    return choices_.size() - 1;
  }
  void choose(std::size_t at, bool success) { choices_[at] = success; }

  void rewind() noexcept { next_ = 0; }
  // The branch of the next transaction on the path.
  [[nodiscard]] const std::vector<RequestOp>& next_branch(const TxnRequest& request) {
    ASPEN_ASSERT(next_ < choices_.size());
    succeeded_ = choices_[next_++];
    return succeeded_ ? request.success : request.failure;
  }
  // Of the branch that was given last.
  [[nodiscard]] bool succeeded() const noexcept { return succeeded_; }
  [[nodiscard]] bool at_end() const noexcept { return next_ == choices_.size(); }

 private:
  std::vector<bool> choices_;
  std::size_t next_ = 0;
  bool succeeded_ = false;
};

Result<TxnResponse> Writer::txn(const TxnRequest& request) {
  ASPEN_ASSERT(!changed());
  Path path;
  if (const auto chosen = txn_choose(request, path); !chosen) {
    return tl::unexpected(chosen.error());
  }
  path.rewind();
  if (const auto sound = txn_check(request, path); !sound) return tl::unexpected(sound.error());
  ASPEN_ASSERT(path.at_end());
  path.rewind();
  auto response = txn_execute(request, path);
  if (!response) return response;
  ASPEN_ASSERT(path.at_end());
  response->revision = revision_seen();
  return response;
}

Result<void> Writer::txn_choose(const TxnRequest& request, Path& path) const {
  ASPEN_ASSERT(!changed());
  const std::size_t at = path.reserve();
  const Reading state = reading();
  bool success = true;
  for (const Compare& compare : request.compare) {
    const auto one = state.satisfies(compare);
    if (!one) return tl::unexpected(one.error());
    success = success && *one;
    if (!success) break;
  }
  path.choose(at, success);
  for (const RequestOp& operation : success ? request.success : request.failure) {
    const auto* nested = std::get_if<TxnRequest>(&operation.request);
    if (nested == nullptr) continue;
    if (const auto chosen = txn_choose(*nested, path); !chosen) return chosen;
  }
  ASPEN_ASSERT(overlay_.empty() || batch_.size() > 0);
  return {};
}

Result<void> Writer::txn_check(const TxnRequest& request, Path& path) const {
  ASPEN_ASSERT(!changed());
  for (const RequestOp& operation : path.next_branch(request)) {
    Result<void> sound;
    if (const auto* range = std::get_if<RangeRequest>(&operation.request)) {
      sound = reading().check_in_txn(*range);
    } else if (const auto* put_request = std::get_if<PutRequest>(&operation.request)) {
      sound = txn_check_put(*put_request);
    } else if (const auto* nested = std::get_if<TxnRequest>(&operation.request)) {
      sound = txn_check(*nested, path);
    } else if (std::holds_alternative<std::monostate>(operation.request)) {
      sound = tl::unexpected(errors::key_not_found);
    }
    if (!sound) return sound;
  }
  ASPEN_ASSERT(!changed());
  return {};
}

Result<void> Writer::txn_check_put(const PutRequest& request) const {
  if (request.ignore_value || request.ignore_lease) {
    const auto known = before(request.key);
    if (!known) return tl::unexpected(known.error());
    ASPEN_ASSERT(known->meta.mod <= state_.revision);
    if (!known->live) return tl::unexpected(errors::key_not_found);
  }
  if (request.lease != 0) return tl::unexpected(errors::lease_not_found);
  return {};
}

Result<TxnResponse> Writer::txn_execute(const TxnRequest& request, Path& path) {
  const std::vector<RequestOp>& operations = path.next_branch(request);
  TxnResponse response;
  response.succeeded = path.succeeded();
  response.responses.reserve(operations.size());
  for (const RequestOp& operation : operations) {
    auto one = txn_execute_one(operation, path);
    if (!one) return tl::unexpected(one.error());
    response.responses.push_back(std::move(*one));
  }
  ASPEN_ASSERT(response.responses.size() == operations.size());
  ASPEN_ASSERT(response.revision == 0);
  return response;
}

Result<ResponseOp> Writer::txn_execute_one(const RequestOp& operation, Path& path) {
  const auto as_operation = [](auto&& result) -> Result<ResponseOp> {
    if (!result) return tl::unexpected(result.error());
    return ResponseOp{std::move(*result)};
  };
  if (const auto* range = std::get_if<RangeRequest>(&operation.request)) {
    return as_operation(reading().range(*range, responses_));
  }
  if (const auto* one = std::get_if<PutRequest>(&operation.request)) {
    return as_operation(put(*one));
  }
  if (const auto* one = std::get_if<DeleteRangeRequest>(&operation.request)) {
    return as_operation(delete_range(*one));
  }
  const auto* nested = std::get_if<TxnRequest>(&operation.request);
  ASPEN_ASSERT(nested != nullptr);  // txn_check() refuses an operation that names nothing
  ASPEN_ASSERT(!path.at_end());
  return as_operation(txn_execute(*nested, path));
}

}  // namespace aspen::kv
