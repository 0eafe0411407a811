// The cache of newest versions: what it says is what was put in last, however full it is.
#include "node/kv/meta_cache.h"

#include <gtest/gtest.h>

#include <map>

#include "node/base/limits.h"
#include "node/base/prng.h"

namespace aspen::kv {
namespace {

TEST(MetaCache, WhatItKnowsIsWhatWasPutInLast) {
  MetaCache cache;
  EXPECT_EQ(cache.find("a"), nullptr);
  std::map<std::string, std::pair<bool, layout::Meta>> model;
  Prng prng(1);
  std::size_t hits = 0;
  constexpr int rounds = 300'000;
  for (int i = 1; i <= rounds; ++i) {
    const std::string key = "key" + std::to_string(prng.below(2 * limits::meta_cache_slots_max));
    const layout::Meta meta{1, i, i, 0};
    cache.set(key, i % 3 != 0, meta);
    model[key] = {i % 3 != 0, meta};
    ASSERT_NE(cache.find(key), nullptr);
    const std::string other = "key" + std::to_string(prng.below(2 * limits::meta_cache_slots_max));
    const MetaCache::Slot* slot = cache.find(other);
    if (slot == nullptr) continue;
    ++hits;
    EXPECT_EQ(slot->live, model.at(other).first);
    EXPECT_EQ(slot->meta, model.at(other).second);
  }
  EXPECT_GT(hits, static_cast<std::size_t>(rounds) / 5);
}

TEST(MetaCache, LongKeysAreNotKept) {
  MetaCache cache;
  const std::string longest(limits::meta_cache_key_bytes_max, 'k');
  cache.set(longest, true, {1, 1, 1, 0});
  cache.set(longest + "k", true, {1, 1, 1, 0});
  EXPECT_NE(cache.find(longest), nullptr);
  EXPECT_EQ(cache.find(longest + "k"), nullptr);
}

}  // namespace
}  // namespace aspen::kv
