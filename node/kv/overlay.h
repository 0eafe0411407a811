// The writes of a batch that is not in the state store yet, so that later commands of the batch see
// the earlier ones, and the way back if a command fails after its first write. Owned by a Writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/kv/layout.h"

namespace aspen::kv {

// The newest version of a key that the batch has written.
struct Pending {
  bool live = false;
  layout::Meta meta;          // of a deleted key: mod only
  std::uint32_t sub = 0;      // number of the change within its revision
  std::size_t operation = 0;  // of the batch: the version row
};

class Overlay {
 public:
  using Map = std::map<std::string, Pending, std::less<>>;

  [[nodiscard]] const Map& entries() const noexcept { return entries_; }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  // Null if the batch did not write the key.
  [[nodiscard]] const Pending* find(std::string_view key) const {
    const auto at = entries_.find(key);
    return at == entries_.end() ? nullptr : &at->second;
  }

  void set(std::string_view key, const Pending& pending);

  // A command begins: what it sets can be taken back until the next one begins.
  void begin() noexcept { undo_.clear(); }
  void roll_back();

 private:
  Map entries_;
  std::vector<std::pair<Map::iterator, std::optional<Pending>>> undo_;
};

}  // namespace aspen::kv
