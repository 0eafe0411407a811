#include "node/kv/meta_cache.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/checksum.h"
#include "node/base/limits.h"

namespace aspen::kv {
namespace {

constexpr std::size_t slots_first = 256;
static_assert((limits::meta_cache_slots_max & (limits::meta_cache_slots_max - 1)) == 0,
              "a place is the low bits of a checksum");

}  // namespace

std::size_t MetaCache::place_of(std::string_view key) const noexcept {
  ASPEN_ASSERT(!slots_.empty());
  return checksum64(key) & (slots_.size() - 1);
}

const MetaCache::Slot* MetaCache::find(std::string_view key) const noexcept {
  if (slots_.empty() || key.empty()) return nullptr;
  const Slot& slot = slots_[place_of(key)];
  return slot.key == key ? &slot : nullptr;
}

void MetaCache::set(std::string_view key, bool live, const layout::Meta& meta) {
  ASPEN_ASSERT(meta.mod > 0);
  if (key.empty() || key.size() > limits::meta_cache_key_bytes_max) return;
  if (used_ >= slots_.size() / 2 && slots_.size() < limits::meta_cache_slots_max) grow();
  Slot& slot = slots_[place_of(key)];
  if (slot.key.empty()) ++used_;
  ASPEN_ASSERT(used_ <= slots_.size());
  slot.key.assign(key);
  slot.live = live;
  slot.meta = meta;
}

void MetaCache::grow() {
  std::vector<Slot> old = std::move(slots_);
  slots_.clear();
  slots_.resize(std::max(slots_first, 2 * old.size()));
  ASPEN_ASSERT(slots_.size() <= limits::meta_cache_slots_max);
  for (Slot& slot : old) {
    // Doubling splits places and joins none: nobody meets anybody here.
    if (!slot.key.empty()) slots_[place_of(slot.key)] = std::move(slot);
  }
}

}  // namespace aspen::kv
