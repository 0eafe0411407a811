#include "node/kv/reading.h"

#include <algorithm>
#include <span>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/errors.h"

namespace aspen::kv {
namespace {

// What a pair costs beside its key and value.
constexpr std::size_t pair_overhead_bytes = 128;
static_assert(sizeof(KeyValue) <= pair_overhead_bytes);

Error missing_version() {
  return {Code::corrupt, "state store: the version that a key row names is missing"};
}

KeyValue pair_of(FoundKey&& found) {
  ASPEN_ASSERT(found.value.has_value());
  const layout::Meta& meta = found.found.meta;
  return {std::move(found.key),    meta.create, meta.mod, meta.version,
          std::move(*found.value), meta.lease};
}

int order_of(std::int64_t a, std::int64_t b) {
  return a < b ? -1 : static_cast<int>(a > b);
}

bool holds(CompareResult result, int order) {
  switch (result) {
    case CompareResult::equal:
      return order == 0;
    case CompareResult::not_equal:
      return order != 0;
    case CompareResult::greater:
      return order > 0;
    case CompareResult::less:
      return order < 0;
  }
  return true;  // a number that names nothing holds, as in etcd
}

int order_of_meta(const Compare& compare, const layout::Meta& meta) {
  switch (compare.target) {
    case CompareTarget::version:
      return order_of(meta.version, compare.number);
    case CompareTarget::create:
      return order_of(meta.create, compare.number);
    case CompareTarget::mod:
      return order_of(meta.mod, compare.number);
    case CompareTarget::lease:
      return order_of(meta.lease, compare.number);
    case CompareTarget::value:
      break;
  }
  return 0;  // a number that names nothing is equal, as in etcd
}

}  // namespace

Result<std::optional<Found>> Reading::find(std::string_view key) const {
  if (under_way_.overlay != nullptr) {
    if (const Pending* pending = under_way_.overlay->find(key)) {
      if (!pending->live) return std::nullopt;
      return Found{pending->meta, pending->operation};
    }
  }
  const auto row = view_.get(layout::key_row(key));
  if (!row) return tl::unexpected(row.error());
  if (!*row) return std::nullopt;
  const auto meta = layout::decode_meta(**row);
  if (!meta) return tl::unexpected(meta.error());
  ASPEN_ASSERT(meta->mod <= revisions_.current);
  return Found{*meta, std::nullopt};
}

Result<std::string> Reading::value(std::string_view key, const Found& found) const {
  if (found.operation) {
    ASPEN_ASSERT(under_way_.batch != nullptr);
    const auto operation = (*under_way_.batch)[*found.operation];
    const auto version = layout::decode_version(found.meta.mod, operation.value);
    ASPEN_ASSERT(version.has_value() && !version->tombstone);
    return std::string(version->value);
  }
  const auto row = view_.get(layout::version_row(key, found.meta.mod));
  if (!row) return tl::unexpected(row.error());
  if (!*row) return tl::unexpected(missing_version());
  const auto version = layout::decode_version(found.meta.mod, **row);
  if (!version) return tl::unexpected(version.error());
  if (version->tombstone) return tl::unexpected(missing_version());
  return std::string(version->value);
}

Result<std::optional<KeyValue>> Reading::get(std::string_view key, ByteBudget& budget) const {
  const auto found = find(key);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return std::nullopt;
  auto text = value(key, **found);
  if (!text) return tl::unexpected(text.error());
  ASPEN_ASSERT((*found)->meta.mod > 0);
  if (!budget.take(key.size() + text->size() + pair_overhead_bytes)) {
    return tl::unexpected(errors::response_too_large);
  }
  return pair_of({std::string(key), **found, std::move(*text)});
}

Result<std::vector<FoundKey>> Reading::keys(std::string_view key, std::string_view range_end,
                                            ByteBudget& budget) const {
  std::vector<FoundKey> all;
  if (range_end.empty()) {
    const auto found = find(key);
    if (!found) return tl::unexpected(found.error());
    if (*found) all.push_back({std::string(key), **found, std::nullopt});
    return all;
  }
  const KeyInterval interval = interval_of(key, range_end);
  if (interval.empty()) return all;
  LatestCursor cursor(view_, under_way_.overlay, interval);
  for (; cursor.valid(); cursor.next()) {
    const auto meta = cursor.meta();
    if (!meta) return tl::unexpected(meta.error());
    ASPEN_ASSERT(cursor.key() >= key);
    const Pending* pending = cursor.pending();
    const Found found{*meta,
                      pending ? std::optional<std::size_t>(pending->operation) : std::nullopt};
    all.push_back({std::string(cursor.key()), found, std::nullopt});
    if (!budget.take(all.back().cost_bytes())) return tl::unexpected(errors::change_too_large);
  }
  if (const auto sound = cursor.status(); !sound) return tl::unexpected(sound.error());
  ASPEN_ASSERT(std::is_sorted(all.begin(), all.end(),
                              [](const auto& a, const auto& b) { return a.key < b.key; }));
  return all;
}

Result<std::size_t> Reading::fetch_some(std::span<FoundKey> found) const {
  ASPEN_ASSERT(!found.empty());
  std::vector<std::string> rows;
  std::vector<FoundKey*> owners;
  std::size_t bytes = 0;
  std::size_t at = 0;
  for (; at < found.size() && rows.size() < limits::read_batch_keys_max; ++at) {
    FoundKey& one = found[at];
    if (bytes > limits::read_batch_bytes_max) break;
    if (one.value) continue;
    if (one.found.operation) {
      auto text = value(one.key, one.found);
      if (!text) return tl::unexpected(text.error());
      bytes += text->size();
      one.value = std::move(*text);
      continue;
    }
    bytes += one.key.size();
    rows.push_back(layout::version_row(one.key, one.found.meta.mod));
    owners.push_back(&one);
  }
  std::size_t done = 0;
  if (!rows.empty()) {
    if (auto read = fetch_rows(owners, rows, done); !read) return tl::unexpected(read.error());
  }
  ASPEN_ASSERT(done <= owners.size());
  const std::size_t valued =
      done < owners.size() ? static_cast<std::size_t>(owners[done] - found.data()) : at;
  ASPEN_ASSERT(valued > 0);
  return valued;
}

Result<void> Reading::fetch_rows(std::span<FoundKey* const> owners,
                                 std::span<const std::string> rows, std::size_t& done) const {
  ASPEN_ASSERT(rows.size() == owners.size());
  auto texts = view_.multi_get(rows, limits::read_batch_bytes_max);
  if (!texts) return tl::unexpected(texts.error());
  ASPEN_ASSERT(!texts->empty() && texts->size() <= rows.size());
  for (; done < texts->size(); ++done) {
    std::optional<std::string>& text = (*texts)[done];
    if (!text) return tl::unexpected(missing_version());
    const auto version = layout::decode_version(owners[done]->found.meta.mod, *text);
    if (!version) return tl::unexpected(version.error());
    if (version->tombstone) return tl::unexpected(missing_version());
    owners[done]->value.emplace(version->value);
    text.reset();
  }
  return {};
}

Result<std::vector<KeyValue>> Reading::pairs(std::vector<FoundKey> found,
                                             ByteBudget& budget) const {
  std::vector<KeyValue> all;
  all.reserve(found.size());
  while (all.size() < found.size()) {
    const auto valued = fetch_some(std::span(found).subspan(all.size()));
    if (!valued) return tl::unexpected(valued.error());
    for (const std::size_t end = all.size() + *valued; all.size() < end;) {
      FoundKey& one = found[all.size()];
      const std::size_t bytes = one.key.size() + one.value->size() + pair_overhead_bytes;
      if (!budget.take(bytes)) return tl::unexpected(errors::response_too_large);
      all.push_back(pair_of(std::move(one)));
    }
  }
  ASPEN_ASSERT(all.size() == found.size());
  ASPEN_ASSERT(all.empty() || all.front().mod_revision > 0);
  return all;
}

Result<bool> Reading::satisfies_one(const Compare& compare, std::string_view key,
                                    const Found& found) const {
  if (compare.target != CompareTarget::value) {
    return holds(compare.result, order_of_meta(compare, found.meta));
  }
  const auto text = value(key, found);
  if (!text) return tl::unexpected(text.error());
  ASPEN_ASSERT(found.meta.version > 0);
  return holds(compare.result, text->compare(compare.value));
}

Result<bool> Reading::satisfies(const Compare& compare) const {
  if (compare.key.empty()) return tl::unexpected(errors::empty_key);
  bool any = false;
  if (compare.range_end.empty()) {
    const auto found = find(compare.key);
    if (!found) return tl::unexpected(found.error());
    if (*found) return satisfies_one(compare, compare.key, **found);
  } else if (const KeyInterval interval = interval_of(compare.key, compare.range_end);
             !interval.empty()) {
    LatestCursor cursor(view_, under_way_.overlay, interval);
    for (; cursor.valid(); cursor.next()) {
      any = true;
      const auto meta = cursor.meta();
      if (!meta) return tl::unexpected(meta.error());
      ASPEN_ASSERT(cursor.key() >= compare.key);
      ASPEN_ASSERT(meta->mod <= revisions_.current);
      const Pending* pending = cursor.pending();
      const Found found{*meta,
                        pending ? std::optional<std::size_t>(pending->operation) : std::nullopt};
      const auto one = satisfies_one(compare, cursor.key(), found);
      if (!one || !*one) return one;
    }
    if (const auto sound = cursor.status(); !sound) return tl::unexpected(sound.error());
  }
  if (any) return true;
  // An absent key's numbers are 0; it has no value that could compare.
  if (compare.target == CompareTarget::value) return false;
  return holds(compare.result, order_of_meta(compare, {}));
}

Result<void> Reading::check_in_txn(const RangeRequest& request) const {
  ASPEN_ASSERT(revisions_.compacted <= revisions_.current);
  if (request.revision == 0) return {};
  if (request.revision > revisions_.current) return tl::unexpected(errors::future_revision);
  if (request.revision < revisions_.compacted) return tl::unexpected(errors::compacted);
  return {};
}

}  // namespace aspen::kv
