// The newest versions of the keys that were written last, so that a put to a busy key needs no
// read. A cache of fixed places: a key has one, and who comes later takes it. It holds what is in
// the state store and nothing else: the Store puts in what a batch wrote after the batch is
// written.
//
// Owned by a Store. Bound: limits::meta_cache_slots_max places, keys of at most
// limits::meta_cache_key_bytes_max; it grows as it fills.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "node/kv/layout.h"

namespace aspen::kv {

class MetaCache {
 public:
  struct Slot {
    std::string key;  // empty: a free place
    bool live = false;
    layout::Meta meta;
  };

  // Null if the key is not known here, which says nothing about the store.
  [[nodiscard]] const Slot* find(std::string_view key) const noexcept;
  void set(std::string_view key, bool live, const layout::Meta& meta);

 private:
  [[nodiscard]] std::size_t place_of(std::string_view key) const noexcept;
  void grow();

  std::vector<Slot> slots_;  // a power of two of them, or none
  std::size_t used_ = 0;
};

}  // namespace aspen::kv
