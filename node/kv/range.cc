#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/errors.h"
#include "node/kv/reading.h"

namespace aspen::kv {
namespace {

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

// The keys that a range request wants, and how many there are, while a cursor walks over them. Of a
// sorted request with a limit only the best are kept, so that memory follows the limit and not the
// range. What is refused depends on the state and on nothing else.
class Reading::Selection {
  // Whether one comes before another in the answer; keys ascend where the target does not decide.
  struct Order {
    SortTarget target = SortTarget::key;
    bool descending = false;

    bool operator()(const FoundKey& a, const FoundKey& b) const {
      const int by_target = order_by(target, a, b);
      if (by_target != 0) return descending ? by_target > 0 : by_target < 0;
      return a.key < b.key;
    }
  };

 public:
  Selection(const Reading& reading, const RangeRequest& request, std::size_t bytes_max)
      : reading_(reading), request_(request), bytes_max_(bytes_max) {
    order_ = {request.sort_target, request.sort_order == SortOrder::descend};
    // No order with another target than the key means ascending.
    sorted_ = order_.descending || request.sort_target != SortTarget::key;
    by_value_ = sorted_ && request.sort_target == SortTarget::value;
    if (request.limit > 0) limit_ = static_cast<std::size_t>(request.limit);
  }

  // Values are worth reading on the way: they are needed, or will not be thrown away again.
  [[nodiscard]] bool wants_values() const noexcept {
    return by_value_ || (!sorted_ && !request_.keys_only);
  }
  [[nodiscard]] bool counts_only() const noexcept {
    return request_.count_only || (!sorted_ && more_);
  }

  void count_one() noexcept { ++count_; }
  // Possible errors: overloaded (what is kept is over the budget), io_error, corrupt.
  [[nodiscard]] Result<void> offer(std::string_view key, const Found& found,
                                   std::optional<std::string_view> value) {
    if (counts_only() || !passes_filters(request_, found.meta)) return {};
    if (!sorted_ && found_.size() == limit_) {
      more_ = true;
      return {};
    }
    FoundKey one{std::string(key), found, {}};
    if (value) one.value.emplace(*value);
    if (!by_value_ || value) return accept(std::move(one));
    waiting_bytes_ += one.cost_bytes();
    waiting_.push_back(std::move(one));
    const bool full = waiting_.size() == limits::read_batch_keys_max ||
                      waiting_bytes_ >= limits::read_batch_bytes_max;
    return full ? read_waiting() : Result<void>();
  }

  // Decides on all. Call it once, at the end of the walk. Possible errors: as offer().
  [[nodiscard]] Result<void> finish() {
    if (auto read = read_waiting(); !read) return read;
    if (sorted_) std::sort_heap(found_.begin(), found_.end(), order_);
    ASPEN_ASSERT(found_.size() <= limit_);
    ASPEN_ASSERT(count_ >= static_cast<std::int64_t>(found_.size()));
    return {};
  }

  [[nodiscard]] std::vector<FoundKey>& found() noexcept { return found_; }
  [[nodiscard]] bool more() const noexcept { return more_; }
  [[nodiscard]] std::int64_t count() const noexcept { return count_; }

 private:
  static constexpr std::size_t no_limit = SIZE_MAX;

  // Reads the values of those that wait, and lets them compete.
  [[nodiscard]] Result<void> read_waiting() {
    for (std::size_t done = 0; done < waiting_.size();) {
      const auto valued = reading_.fetch_some(std::span(waiting_).subspan(done));
      if (!valued) return tl::unexpected(valued.error());
      for (const std::size_t end = done + *valued; done < end; ++done) {
        if (auto kept = accept(std::move(waiting_[done])); !kept) return kept;
      }
    }
    waiting_.clear();
    waiting_bytes_ = 0;
    return {};
  }

  // A heap of the best while sorted, the last of them at its front.
  [[nodiscard]] Result<void> accept(FoundKey&& one) {
    ASPEN_ASSERT(found_.size() <= limit_);
    if (sorted_ && found_.size() == limit_) {
      more_ = true;
      if (!order_(one, found_.front())) return {};
      std::pop_heap(found_.begin(), found_.end(), order_);
      used_bytes_ -= found_.back().cost_bytes();
      found_.pop_back();
    }
    used_bytes_ += one.cost_bytes();
    found_.push_back(std::move(one));
    if (sorted_) std::push_heap(found_.begin(), found_.end(), order_);
    if (used_bytes_ > bytes_max_) return tl::unexpected(errors::response_too_large);
    ASPEN_ASSERT(count_ >= static_cast<std::int64_t>(found_.size()));
    return {};
  }

  const Reading& reading_;
  const RangeRequest& request_;
  const std::size_t bytes_max_;
  Order order_;
  std::size_t used_bytes_ = 0;  // by found_
  std::vector<FoundKey> found_;
  std::vector<FoundKey> waiting_;  // for their values
  std::size_t waiting_bytes_ = 0;
  std::int64_t count_ = 0;
  std::size_t limit_ = no_limit;
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
    return out.offer(request.key, **found, {});
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
    if (auto offered = out.offer(cursor.key(), found, {}); !offered) return offered;
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
    auto offered = out.offer(*key, {version.meta, std::nullopt}, value);
    if (!offered) return offered;
  }
  return cursor.status();
}

Result<RangeResponse> Reading::range(const RangeRequest& request, ByteBudget& budget) const {
  ASPEN_ASSERT(revisions_.compacted <= revisions_.current);
  if (request.key.empty()) return tl::unexpected(errors::empty_key);
  if (request.revision > revisions_.current) return tl::unexpected(errors::future_revision);
  const Revision revision = request.revision > 0 ? request.revision : revisions_.current;
  if (revision < revisions_.compacted) return tl::unexpected(errors::compacted);

  Selection selection(*this, request, budget.left());
  auto selected = revision == revisions_.current ? select_latest(request, selection)
                                                 : select_at(request, revision, selection);
  if (selected) selected = selection.finish();
  if (!selected) return tl::unexpected(selected.error());

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
