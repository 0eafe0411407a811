#include "node/kv/snapshot.h"

#include <optional>
#include <utility>
#include <variant>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/layout.h"
#include "node/kv/read_state.h"
#include "node/kv/reading.h"
#include "node/kv/validate.h"

namespace aspen::kv {
namespace {

Reading reading_of(const StateView& view, const State& state) {
  return Reading(view, {state.revision, state.compact_revision});
}

}  // namespace

Result<Snapshot> Snapshot::open(std::unique_ptr<StateView> view) {
  ASPEN_ASSERT(view != nullptr);
  const auto state = read_state(*view);
  if (!state) return tl::unexpected(state.error());
  return Snapshot(std::move(view), *state);
}

Result<RangeResponse> Snapshot::range(const RangeRequest& request) const {
  ASPEN_ASSERT(!request.key.empty());
  ByteBudget budget(limits::response_bytes_max);
  return reading_of(*view_, state_).range(request, budget);
}

Result<TxnResponse> Snapshot::txn(const TxnRequest& request) const {
  ASPEN_ASSERT(is_read_only(request));
  const Reading reading = reading_of(*view_, state_);
  TxnResponse response;
  response.revision = state_.revision;
  response.succeeded = true;
  for (const Compare& compare : request.compare) {
    const auto one = reading.satisfies(compare);
    if (!one) return tl::unexpected(one.error());
    response.succeeded = response.succeeded && *one;
  }
  const auto& operations = response.succeeded ? request.success : request.failure;
  for (const RequestOp& operation : operations) {
    const auto sound = reading.check_in_txn(std::get<RangeRequest>(operation.request));
    if (!sound) return tl::unexpected(sound.error());
  }
  ByteBudget budget(limits::response_bytes_max);
  for (const RequestOp& operation : operations) {
    auto one = reading.range(std::get<RangeRequest>(operation.request), budget);
    if (!one) return tl::unexpected(one.error());
    response.responses.push_back({std::move(*one)});
  }
  ASPEN_ASSERT(response.responses.size() == operations.size());
  return response;
}

}  // namespace aspen::kv
