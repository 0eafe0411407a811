#include "node/kv/writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/errors.h"
#include "node/kv/layout.h"

namespace aspen::kv {
namespace {

// What a change takes beside its texts: heads of rows, the overlay's node, the way back.
constexpr std::size_t change_overhead_bytes = 384;
// The batch's text, which grows by doubling, and the state store's copy of it.
constexpr std::size_t text_copies = 3;

template <class T>
Result<Response> as_response(Result<T>&& result) {
  if (!result) return tl::unexpected(result.error());
  return Response(std::move(*result));
}

bool reads_history(const TxnRequest& request);

bool reads_history(const std::vector<RequestOp>& operations) {
  return std::any_of(operations.begin(), operations.end(), [](const RequestOp& operation) {
    if (const auto* range = std::get_if<RangeRequest>(&operation.request)) {
      return range->revision > 0;
    }
    const auto* nested = std::get_if<TxnRequest>(&operation.request);
    return nested != nullptr && reads_history(*nested);
  });
}

// Depth: limits::txn_depth_max, by the decoder.
bool reads_history(const TxnRequest& request) {
  return reads_history(request.success) || reads_history(request.failure);
}

}  // namespace

Reading Writer::reading() const noexcept {
  return Reading(view_, {revision_seen(), state_.compact_revision}, {&overlay_, &batch_});
}

bool Writer::must_start_a_batch(const Request& request) const {
  if (overlay_.empty()) return false;
  if (const auto* range = std::get_if<RangeRequest>(&request)) return range->revision > 0;
  const auto* txn = std::get_if<TxnRequest>(&request);
  return txn != nullptr && reads_history(*txn);
}

Result<Response> Writer::execute(const Request& request) {
  ASPEN_ASSERT(!must_start_a_batch(request));
  const std::size_t operations = batch_.size();
  const State state_before = state_;
  overlay_.begin();
  sub_ = 0;
  changes_ = ByteBudget(limits::change_bytes_max);
  charged_text_bytes_ = batch_.size_bytes();
  responses_ = ByteBudget(limits::command_response_bytes_max);
  auto response = dispatch(request);
  if (!response) {
    overlay_.roll_back();
    batch_.truncate(operations);
    ASPEN_ASSERT(state_ == state_before);
    sub_ = 0;
    return response;
  }
  memory_bytes_ += changes_.taken();
  response_bytes_ += responses_.taken();
  if (changed()) ++state_.revision;
  ASPEN_ASSERT(state_.revision >= state_before.revision);
  ASPEN_ASSERT(batch_.size() == operations || state_.revision == state_before.revision + 1);
  sub_ = 0;
  return response;
}

Result<Response> Writer::dispatch(const Request& request) {
  ASPEN_ASSERT(!changed());
  if (const auto* one = std::get_if<PutRequest>(&request)) return as_response(put_alone(*one));
  if (const auto* one = std::get_if<TxnRequest>(&request)) return as_response(txn(*one));
  if (const auto* one = std::get_if<DeleteRangeRequest>(&request)) {
    return as_response(delete_range(*one));
  }
  if (const auto* one = std::get_if<CompactRequest>(&request)) return as_response(compact(*one));
  const auto* range = std::get_if<RangeRequest>(&request);
  ASPEN_ASSERT(range != nullptr);
  return as_response(reading().range(*range, responses_));
}

// ---- put

Result<PutResponse> Writer::put_alone(const PutRequest& request) {
  ASPEN_ASSERT(!changed());
  // No lease exists yet. By itself a put looks at its lease first, in a transaction last.
  if (request.lease != 0) return tl::unexpected(errors::lease_not_found);
  return put(request);
}

Result<PutResponse> Writer::put(const PutRequest& request) {
  ASPEN_ASSERT(request.lease == 0);
  if (request.key.empty()) return tl::unexpected(errors::empty_key);
  const auto known = before(request.key);
  if (!known) return tl::unexpected(known.error());
  const bool keeps = request.ignore_value || request.ignore_lease;
  if (keeps && !known->live) return tl::unexpected(errors::key_not_found);

  PutResponse response;
  std::optional<KeyValue> old;
  if (known->live && (request.prev_kv || request.ignore_value)) {
    auto pair = reading().get(request.key, responses_);
    if (!pair) return tl::unexpected(pair.error());
    ASPEN_ASSERT(pair->has_value());
    old = std::move(*pair);
  }
  layout::Meta meta;
  meta.mod = next_revision();
  meta.create = known->live ? known->meta.create : meta.mod;
  meta.version = known->live ? known->meta.version + 1 : 1;
  meta.lease = request.ignore_lease ? known->meta.lease : request.lease;
  const auto written =
      write_version(request.key, *known, meta, request.ignore_value ? old->value : request.value);
  if (!written) return tl::unexpected(written.error());
  ASPEN_ASSERT(changed());
  if (request.prev_kv) response.prev_kv = std::move(old);
  response.revision = next_revision();
  return response;
}

Result<Writer::Before> Writer::before(std::string_view key) const {
  if (const Pending* pending = overlay_.find(key)) {
    ASPEN_ASSERT(pending->meta.mod <= next_revision());
    return Before{pending->live, pending->meta};
  }
  if (const MetaCache::Slot* slot = known_.find(key)) {
    ASPEN_ASSERT(slot->meta.mod <= state_.revision);
    return Before{slot->live, slot->meta};
  }
  const auto found = reading().find(key);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return Before{};
  ASPEN_ASSERT((*found)->meta.mod <= state_.revision);
  return Before{true, (*found)->meta};
}

Result<void> Writer::write_version(std::string_view key, const Before& before,
                                   const layout::Meta& meta, std::string_view value) {
  ASPEN_ASSERT(meta.mod == next_revision());
  ASPEN_ASSERT(meta.create <= meta.mod);
  mark_superseded(key);
  const Pending pending{true, meta, sub_, batch_.size()};
  batch_.put(layout::version_row(key, meta.mod), layout::encode_version(meta, value));
  const bool replaces = before.live && before.meta.mod < meta.mod;
  return write_change(key, {false, false, replaces ? before.meta.mod : 0, key}, pending);
}

void Writer::mark_superseded(std::string_view key) {
  const Pending* earlier = overlay_.find(key);
  if (earlier == nullptr || earlier->meta.mod != next_revision()) return;
  const std::string text(batch_[earlier->operation + 1].value);
  auto change = layout::decode_change(text);
  ASPEN_ASSERT(change.has_value());
  ASPEN_ASSERT(change->key == key);
  change->superseded = true;
  batch_.put(layout::change_row({earlier->meta.mod, earlier->sub}), layout::encode(*change));
}

Result<void> Writer::write_change(std::string_view key, const layout::Change& change,
                                  const Pending& pending) {
  ASPEN_ASSERT(pending.operation + 1 == batch_.size());
  batch_.put(layout::change_row({pending.meta.mod, pending.sub}), layout::encode(change));
  overlay_.set(key, pending);
  ++sub_;
  ASPEN_ASSERT(sub_ > 0);
  const std::size_t text_bytes = batch_.size_bytes() - charged_text_bytes_;
  charged_text_bytes_ = batch_.size_bytes();
  // finish() adds the key's row.
  const std::size_t bytes = change_overhead_bytes + text_copies * (text_bytes + key.size());
  if (!changes_.take(bytes)) return tl::unexpected(errors::change_too_large);
  return {};
}

// ---- delete

Result<DeleteRangeResponse> Writer::delete_range(const DeleteRangeRequest& request) {
  if (request.key.empty()) return tl::unexpected(errors::empty_key);
  auto found = reading().keys(request.key, request.range_end, changes_);
  if (!found) return tl::unexpected(found.error());
  DeleteRangeResponse response;
  response.deleted = static_cast<std::int64_t>(found->size());
  for (const FoundKey& one : *found) {
    const auto written = write_tombstone(one.key, one.found.meta);
    if (!written) return tl::unexpected(written.error());
  }
  // The old values are where they were: below the tombstones, or in the batch.
  if (request.prev_kv) {
    auto old = reading().pairs(std::move(*found), responses_);
    if (!old) return tl::unexpected(old.error());
    response.prev_kvs = std::move(*old);
    ASPEN_ASSERT(static_cast<std::int64_t>(response.prev_kvs.size()) == response.deleted);
  }
  response.revision = revision_seen();
  ASPEN_ASSERT(response.deleted == 0 || changed());
  return response;
}

Result<void> Writer::write_tombstone(std::string_view key, const layout::Meta& meta) {
  const Revision mod = next_revision();
  ASPEN_ASSERT(meta.mod <= mod);
  mark_superseded(key);
  Pending pending;
  pending.meta.mod = mod;
  pending.sub = sub_;
  pending.operation = batch_.size();
  batch_.put(layout::version_row(key, mod), layout::encode_tombstone());
  ASPEN_ASSERT(!pending.live);
  return write_change(key, {true, false, meta.mod < mod ? meta.mod : 0, key}, pending);
}

// ---- compact

Result<CompactResponse> Writer::compact(const CompactRequest& request) {
  ASPEN_ASSERT(state_.compact_revision <= state_.revision);
  if (request.revision <= state_.compact_revision) return tl::unexpected(errors::compacted);
  if (request.revision > state_.revision) return tl::unexpected(errors::future_revision);
  // Deletion may stand among the rows of the old floor, which it has left where they are: they go
  // with the new one, so it begins with them again.
  if (state_.clean_next_revision == state_.compact_revision) state_.clean_next_sub = 0;
  state_.compact_revision = request.revision;
  ASPEN_ASSERT(state_.cleaned_revision < state_.compact_revision);
  return CompactResponse{state_.revision};
}

// ---- the end of the batch

void Writer::finish() {
  ASPEN_ASSERT(sub_ == 0);
  for (const auto& [key, pending] : overlay_.entries()) {
    ASPEN_ASSERT(pending.meta.mod <= state_.revision);
    if (pending.live) {
      batch_.put(layout::key_row(key), layout::encode(pending.meta));
    } else {
      batch_.erase(layout::key_row(key));
    }
  }
  batch_.put(layout::state_row, layout::encode(state_));
}

}  // namespace aspen::kv
