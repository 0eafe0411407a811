#include <algorithm>
#include <functional>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/errors.h"
#include "node/kv/reading.h"

namespace aspen::kv {
namespace {

// Candidates beyond twice the limit before the worst of them are thrown away.
constexpr std::size_t candidates_slack = 1024;

constexpr std::size_t candidate_overhead_bytes = 64;

bool passes_filters(const RangeRequest& request, const layout::Meta& meta) {
  ASPEN_ASSERT(meta.create > 0 && meta.mod >= meta.create);
  if (request.max_mod_revision != 0 && meta.mod > request.max_mod_revision) return false;
  if (request.min_mod_revision != 0 && meta.mod < request.min_mod_revision) return false;
  if (request.max_create_revision != 0 && meta.create > request.max_create_revision) return false;
  if (request.min_create_revision != 0 && meta.create < request.min_create_revision) return false;
  return true;
}

int order_of(std::int64_t a, std::int64_t b) {
  return a < b ? -1 : static_cast<int>(a > b);
}

int order_by(SortTarget target, const FoundKey& a, const FoundKey& b) {
  switch (target) {
    case SortTarget::version:
      return order_of(a.found.meta.version, b.found.meta.version);
    case SortTarget::create:
      return order_of(a.found.meta.create, b.found.meta.create);
    case SortTarget::mod:
      return order_of(a.found.meta.mod, b.found.meta.mod);
    case SortTarget::value:
      ASPEN_ASSERT(a.value.has_value() && b.value.has_value());
      return a.value->compare(*b.value);
    case SortTarget::key:
      break;
  }
  return a.key.compare(b.key);
}

}  // namespace

// The keys that a range request wants, and how many there are, while a cursor walks over them.
class Reading::Selection {
 public:
  Selection(const RangeRequest& request, ByteBudget budget)
      : request_(request), keys_budget_(budget) {
    descending_ = request.sort_order == SortOrder::descend;
    // No order with another target than the key means ascending.
    sorted_ = descending_ || request.sort_target != SortTarget::key;
    by_value_ = sorted_ && request.sort_target == SortTarget::value;
    if (request.limit > 0) limit_ = static_cast<std::size_t>(request.limit);
  }

  [[nodiscard]] bool by_value() const noexcept { return by_value_; }
  // Values are worth reading on the way: they will not be thrown away again.
  [[nodiscard]] bool wants_values() const noexcept { return !sorted_ && !request_.keys_only; }
  [[nodiscard]] bool counts_only() const noexcept {
    return request_.count_only || (!sorted_ && more_);
  }

  void count_one() noexcept { ++count_; }
  // False if the candidates are over the budget.
  [[nodiscard]] bool offer(std::string_view key, const Found& found,
                           std::optional<std::string_view> value) {
    if (counts_only() || !passes_filters(request_, found.meta)) return true;
    if (!sorted_ && found_.size() == limit_) {
      more_ = true;
      return true;
    }
    if (!sorted_ || limit_ == no_limit) {
      const std::size_t bytes = key.size() + candidate_overhead_bytes + (value ? value->size() : 0);
      if (!keys_budget_.take(bytes)) return false;
    }
    found_.push_back({std::string(key), found, {}});
    if (value) found_.back().value.emplace(*value);
    trim_maybe();
    ASPEN_ASSERT(count_ >= static_cast<std::int64_t>(found_.size()));
    return true;
  }

  // Sorts and cuts. Precondition: values are read if by_value().
  void finish() {
    if (sorted_) {
      std::stable_sort(found_.begin(), found_.end(), before());
    }
    if (found_.size() > limit_) {
      found_.resize(limit_);
      more_ = true;
    }
    ASPEN_ASSERT(found_.size() <= limit_);
  }

  [[nodiscard]] std::vector<FoundKey>& found() noexcept { return found_; }
  [[nodiscard]] bool more() const noexcept { return more_; }
  [[nodiscard]] std::int64_t count() const noexcept { return count_; }

 private:
  static constexpr std::size_t no_limit = SIZE_MAX;

  [[nodiscard]] std::function<bool(const FoundKey&, const FoundKey&)> before() const {
    return [target = request_.sort_target, descending = descending_](const FoundKey& a,
                                                                     const FoundKey& b) {
      const int order = order_by(target, a, b);
      return descending ? order > 0 : order < 0;
    };
  }

  // Keeps memory within the limit and not within the range, where the order allows it.
  void trim_maybe() {
    if (!sorted_ || by_value_ || limit_ == no_limit) return;
    if (limit_ > limits::response_bytes_max) return;
    if (found_.size() < 2 * limit_ + candidates_slack) return;
    std::stable_sort(found_.begin(), found_.end(), before());
    found_.resize(limit_);
    more_ = true;
    ASPEN_ASSERT(found_.size() == limit_);
  }

  const RangeRequest& request_;
  ByteBudget keys_budget_;
  std::vector<FoundKey> found_;
  std::int64_t count_ = 0;
  std::size_t limit_ = no_limit;
  bool descending_ = false;
  bool sorted_ = false;
  bool by_value_ = false;
  bool more_ = false;
};

Result<void> Reading::select_latest(const RangeRequest& request, Selection& out) const {
  if (request.range_end.empty()) {
    const auto found = find(request.key);
    if (!found) return tl::unexpected(found.error());
    if (!*found) return {};
    out.count_one();
    if (!out.offer(request.key, **found, {})) return tl::unexpected(errors::response_too_large);
    return {};
  }
  const KeyInterval interval = interval_of(request.key, request.range_end);
  if (interval.empty()) return {};
  LatestCursor cursor(view_, under_way_.overlay, interval);
  for (; cursor.valid(); cursor.next()) {
    out.count_one();
    if (out.counts_only()) continue;
    const auto meta = cursor.meta();
    if (!meta) return tl::unexpected(meta.error());
    ASPEN_ASSERT(meta->mod <= revisions_.current);
    const Pending* pending = cursor.pending();
    const Found found{*meta,
                      pending ? std::optional<std::size_t>(pending->operation) : std::nullopt};
    if (!out.offer(cursor.key(), found, {})) return tl::unexpected(errors::response_too_large);
  }
  ASPEN_ASSERT(out.count() >= 0);
  return cursor.status();
}

Result<void> Reading::select_at(const RangeRequest& request, Revision revision,
                                Selection& out) const {
  ASPEN_ASSERT(revision > 0);
  // What the batch under way wrote is newer than any past revision that may be asked for: a command
  // that reads the past starts a batch of its own (Store::apply).
  std::string after_key;
  KeyInterval interval;
  if (request.range_end.empty()) {
    const auto newest = find(request.key);
    if (!newest) return tl::unexpected(newest.error());
    if (*newest && (*newest)->meta.mod <= revision) return select_latest(request, out);
    after_key = request.key + '\0';
    interval = {request.key, after_key};
  } else {
    interval = interval_of(request.key, request.range_end);
  }
  if (interval.empty()) return {};
  HistoryCursor cursor(view_, interval, revision);
  for (; cursor.valid(); cursor.next()) {
    out.count_one();
    if (out.counts_only()) continue;
    const auto key = cursor.key();
    if (!key) return tl::unexpected(key.error());
    const layout::Version& version = cursor.version();
    ASPEN_ASSERT(version.meta.mod <= revision);
    const auto value = out.wants_values() ? std::optional(version.value) : std::nullopt;
    if (!out.offer(*key, {version.meta, std::nullopt}, value)) {
      return tl::unexpected(errors::response_too_large);
    }
  }
  return cursor.status();
}

Result<RangeResponse> Reading::range(const RangeRequest& request, ByteBudget& budget) const {
  ASPEN_ASSERT(revisions_.compacted <= revisions_.current);
  if (request.key.empty()) return tl::unexpected(errors::empty_key);
  if (request.revision > revisions_.current) return tl::unexpected(errors::future_revision);
  const Revision revision = request.revision > 0 ? request.revision : revisions_.current;
  if (revision < revisions_.compacted) return tl::unexpected(errors::compacted);

  Selection selection(request, budget);
  const auto selected = revision == revisions_.current ? select_latest(request, selection)
                                                       : select_at(request, revision, selection);
  if (!selected) return tl::unexpected(selected.error());
  if (selection.by_value()) {
    ByteBudget values = budget;
    const auto fetched = fetch_values(selection.found(), values);
    if (!fetched) return tl::unexpected(fetched.error());
  }
  selection.finish();

  RangeResponse response;
  response.revision = revisions_.current;
  response.count = selection.count();
  response.more = selection.more();
  if (request.keys_only) {
    for (FoundKey& one : selection.found()) one.value.emplace();
  }
  auto kvs = pairs(std::move(selection.found()), budget);
  if (!kvs) return tl::unexpected(kvs.error());
  response.kvs = std::move(*kvs);
  ASPEN_ASSERT(response.count >= static_cast<std::int64_t>(response.kvs.size()));
  ASPEN_ASSERT(!request.count_only || response.kvs.empty());
  return response;
}

}  // namespace aspen::kv
