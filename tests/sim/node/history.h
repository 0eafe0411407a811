// What was committed, as the state stores of the nodes show it: for each revision the keys that it
// changed, written once by the node that is seen there first and compared with every other node
// ever after. The witness of all checks of what clients were told: it costs O(1) for each change.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/kv/request.h"
#include "node/kv/snapshot.h"
#include "tests/contract/memory_state_store.h"

namespace aspen::sim::node {

using kv::Revision;

// An attempt of a client's write; each writes values of its own, from which its number is read.
using AttemptId = std::uint64_t;

[[nodiscard]] std::string value_of(AttemptId attempt, std::size_t padding_bytes);
// 0 if it is no such value.
[[nodiscard]] AttemptId attempt_of(std::string_view value);

// One version of a key.
struct Version {
  Revision revision = 0;
  AttemptId attempt = 0;  // 0: a tombstone
  Revision create = 0;
  std::int64_t version = 0;
  friend bool operator==(const Version&, const Version&) = default;
};

// How far a node's store was read.
struct Cursor {
  Revision revision = kv::revision_initial;
  Index applied;
};

class History {
 public:
  using Rows = contract::MemoryStateStore::Rows;

  // Reads what is new in the rows. What is wrong with them, if anything.
  [[nodiscard]] std::optional<std::string> observe(const Rows& rows, Cursor& cursor);

  [[nodiscard]] Revision newest() const noexcept {
    return kv::revision_initial + static_cast<Revision>(changes_.size());
  }
  // Null if the key was absent at that revision. Precondition: revision <= newest().
  [[nodiscard]] const Version* at(const std::string& key, Revision revision) const;
  // The revision at which an attempt took effect; 0 if it did not.
  [[nodiscard]] Revision applied_at(AttemptId attempt) const;
  // Whether it changed this key. Precondition: revision <= newest().
  [[nodiscard]] bool changed(const std::string& key, Revision revision) const;

 private:
  struct Change {
    std::string key;
    Version version;
    friend bool operator==(const Change&, const Change&) = default;
  };
  using Changes = std::vector<Change>;  // of one revision, by sub-revision

  [[nodiscard]] std::optional<std::string> take(Revision revision, Changes&& changes,
                                                Revision compacted);
  [[nodiscard]] std::optional<std::string> append(Revision revision, Changes&& changes);
  [[nodiscard]] std::optional<std::string> mark(const kv::State& state);

  std::vector<Changes> changes_;  // from revision 2 on
  std::map<std::string, std::vector<Version>, std::less<>> keys_;
  std::vector<Revision> applied_at_;                  // by attempt
  std::map<Index, std::pair<Term, Revision>> marks_;  // of applied positions that were seen
};

// What a store says of itself; that of an empty one if it says nothing.
[[nodiscard]] kv::State state_of(const History::Rows& rows);

}  // namespace aspen::sim::node
