#include "tests/sim/node/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "node/base/assert.h"
#include "node/kv/layout.h"
#include "node/kv/read_state.h"

namespace aspen::sim::node {

namespace {

// Of a version that a compaction has removed already.
constexpr AttemptId gone = ~AttemptId{0};

struct Row {
  kv::layout::ChangeId id;
  kv::layout::Change change;
};

std::optional<Row> parse(const History::Rows::value_type& row) {
  const auto id = kv::layout::id_of_change_row(row.first);
  const auto change = kv::layout::decode_change(row.second);
  if (!id || !change) return std::nullopt;
  return Row{*id, *change};
}

}  // namespace

std::string value_of(AttemptId attempt, std::size_t padding_bytes) {
  std::string value = std::to_string(attempt) + ':';
  value.append(padding_bytes, static_cast<char>('a' + attempt % 26));
  return value;
}

AttemptId attempt_of(std::string_view value) {
  AttemptId attempt = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), attempt);
  return parsed.ec == std::errc() ? attempt : 0;
}

kv::State state_of(const History::Rows& rows) {
  const auto row = rows.find(kv::layout::state_row);
  if (row == rows.end()) return {};
  return kv::parse_state(row->second).value_or(kv::State{});
}

std::optional<std::string> History::observe(const Rows& rows, Cursor& cursor) {
  const kv::State state = state_of(rows);
  if (state.applied.index == cursor.applied) return std::nullopt;
  cursor.applied = state.applied.index;
  if (auto wrong = mark(state)) return wrong;
  const kv::layout::RowRange range = kv::layout::change_rows({cursor.revision + 1, 0});
  Changes changes;
  Revision revision = cursor.revision;
  for (auto row = rows.lower_bound(range.lower); row != rows.end(); ++row) {
    if (!range.upper.empty() && row->first >= range.upper) break;
    const auto parsed = parse(*row);
    if (!parsed) return "a change row does not decode";
    if (parsed->id.revision != revision && !changes.empty()) {
      if (auto wrong = take(revision, std::move(changes), state.compact_revision)) return wrong;
      changes.clear();
    }
    if (parsed->id.revision > revision + 1 && parsed->id.revision > state.compact_revision + 1) {
      return fmt::format("revision {} is missing", parsed->id.revision - 1);
    }
    revision = parsed->id.revision;
    const std::string key(parsed->change.key);
    Version version{revision, 0, 0, 0};
    if (!parsed->change.tombstone) {
      const auto stored = rows.find(kv::layout::version_row(key, revision));
      version.attempt = gone;
      if (stored != rows.end()) {
        const auto decoded = kv::layout::decode_version(revision, stored->second);
        if (!decoded) return "a version row does not decode";
        version = {revision, attempt_of(decoded->value), decoded->meta.create,
                   decoded->meta.version};
      }
    }
    changes.push_back({key, version});
  }
  if (!changes.empty()) {
    if (auto wrong = take(revision, std::move(changes), state.compact_revision)) return wrong;
  }
  if (revision < state.revision && state.revision > state.compact_revision) {
    return fmt::format("the store is at revision {}, its changes end at {}", state.revision,
                       revision);
  }
  cursor.revision = state.revision;
  return std::nullopt;
}

std::optional<std::string> History::take(Revision revision, Changes&& changes, Revision compacted) {
  ASPEN_ASSERT(revision > kv::revision_initial);
  if (revision > newest() + 1) {
    return fmt::format("revision {} follows {}", revision, newest());
  }
  if (revision == newest() + 1) return append(revision, std::move(changes));
  const Changes& known = changes_[static_cast<std::size_t>(revision - kv::revision_initial - 1)];
  // Behind the floor rows may be gone already.
  if (revision <= compacted) return std::nullopt;
  if (known.size() == changes.size()) {
    bool equal = true;
    for (std::size_t i = 0; i < known.size(); ++i) {
      const bool unknown = changes[i].version.attempt == gone;
      equal = equal && known[i].key == changes[i].key &&
              (unknown || known[i].version == changes[i].version);
    }
    if (equal) return std::nullopt;
  }
  return fmt::format("revision {} is attempt {} of key {} here, attempt {} of key {} elsewhere",
                     revision, changes.front().version.attempt, changes.front().key,
                     known.front().version.attempt, known.front().key);
}

std::optional<std::string> History::append(Revision revision, Changes&& changes) {
  for (Change& change : changes) {
    std::vector<Version>& versions = keys_[change.key];
    if (change.version.attempt == gone) {
      return fmt::format("revision {} was removed before it was seen", revision);
    }
    const bool absent = versions.empty() || versions.back().attempt == 0;
    if (change.version.attempt == 0) {
      if (absent) return fmt::format("revision {} deletes key {} twice", revision, change.key);
    } else {
      const Revision create = absent ? revision : versions.back().create;
      const std::int64_t version = absent ? 1 : versions.back().version + 1;
      if (change.version.create != create || change.version.version != version) {
        return fmt::format("revision {}: key {} is version {} since {}, but should be {} since {}",
                           revision, change.key, change.version.version, change.version.create,
                           version, create);
      }
      const AttemptId attempt = change.version.attempt;
      if (applied_at_.size() <= attempt) applied_at_.resize(attempt + 1);
      if (applied_at_[attempt] != 0 && applied_at_[attempt] != revision) {
        return fmt::format("attempt {} took effect at {} and at {}", attempt, applied_at_[attempt],
                           revision);
      }
      applied_at_[attempt] = revision;
    }
    versions.push_back(change.version);
  }
  changes_.push_back(std::move(changes));
  return std::nullopt;
}

std::optional<std::string> History::mark(const kv::State& state) {
  const std::pair seen(state.applied.term, state.revision);
  const auto [at, fresh] = marks_.emplace(state.applied.index, seen);
  if (fresh || at->second == seen) return std::nullopt;
  return fmt::format("entry {} is of term {} and gives revision {} here, term {} and {} elsewhere",
                     state.applied.index.value, state.applied.term.value, state.revision,
                     at->second.first.value, at->second.second);
}

const Version* History::at(const std::string& key, Revision revision) const {
  ASPEN_ASSERT(revision <= newest());
  const auto found = keys_.find(key);
  if (found == keys_.end()) return nullptr;
  const std::vector<Version>& versions = found->second;
  auto above = std::upper_bound(
      versions.begin(), versions.end(), revision,
      [](Revision wanted, const Version& version) { return wanted < version.revision; });
  if (above == versions.begin()) return nullptr;
  --above;
  return above->attempt == 0 ? nullptr : &*above;
}

Revision History::applied_at(AttemptId attempt) const {
  return attempt < applied_at_.size() ? applied_at_[attempt] : 0;
}

bool History::changed(const std::string& key, Revision revision) const {
  ASPEN_ASSERT(revision <= newest());
  if (revision <= kv::revision_initial) return false;
  const Changes& changes = changes_[static_cast<std::size_t>(revision - kv::revision_initial - 1)];
  return std::any_of(changes.begin(), changes.end(),
                     [&key](const Change& change) { return change.key == key; });
}

}  // namespace aspen::sim::node
