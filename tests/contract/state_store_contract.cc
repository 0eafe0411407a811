#include "tests/contract/state_store_contract.h"

#include <map>
#include <thread>
#include <vector>

#include "node/base/prng.h"

namespace aspen::contract {

using namespace std::string_literals;

void StateStoreContract::put(const std::string& key, const std::string& value) {
  StateBatch batch;
  batch.put(key, value);
  ASSERT_TRUE(store().write(batch).has_value());
}

void StateStoreContract::erase(const std::string& key) {
  StateBatch batch;
  batch.erase(key);
  ASSERT_TRUE(store().write(batch).has_value());
}

std::optional<std::string> StateStoreContract::get(const StateView& view, const std::string& key) {
  auto value = view.get(key);
  EXPECT_TRUE(value.has_value());
  return value ? *value : std::nullopt;
}

std::string StateStoreContract::rows(const StateView& view, const std::string& lower,
                                     const std::string& upper) {
  std::string all;
  const auto at = view.iterator(lower, upper);
  for (at->seek(lower); at->valid(); at->next()) {
    all.append(at->key()).append("=").append(at->value()).append(" ");
  }
  EXPECT_TRUE(at->status().has_value());
  return all;
}

void StateStoreContract::await_durable(const std::string& key, const std::string& value) {
  constexpr int polls_max = 10'000;
  for (int i = 0; i < polls_max; ++i) {
    const auto durable = store().get_durable(key);
    ASSERT_TRUE(durable.has_value());
    if (*durable == value) return;
    subject_->pause();
  }
  FAIL() << key << " does not become durable";
}

void StateStoreContract::make_durable(const std::string& key, const std::string& value) {
  ASSERT_TRUE(store().flush().has_value());
  await_durable(key, value);
}

TEST_P(StateStoreContract, AnEmptyStoreHasNothing) {
  EXPECT_EQ(get(store(), "a"), std::nullopt);
  EXPECT_EQ(rows(store()), "");
  ASSERT_TRUE(store().get_durable("a").has_value());
  EXPECT_EQ(*store().get_durable("a"), std::nullopt);
}

TEST_P(StateStoreContract, TheLastOperationOfABatchOnAKeyWins) {
  put("gone", "1");
  StateBatch batch;
  batch.put("a", "1");
  batch.put("a", "2");
  batch.put("b", "1");
  batch.erase("b");
  batch.erase("gone");
  batch.erase("never");
  batch.erase("c");
  batch.put("c", "");
  ASSERT_TRUE(store().write(batch).has_value());
  EXPECT_EQ(rows(store()), "a=2 c= ");
}

TEST_P(StateStoreContract, KeysAndValuesAreAnyBytes) {
  const std::string key = "k\0\xff\x01"s;
  put(key, "v\0\xff"s);
  put("k", "short");
  EXPECT_EQ(get(store(), key), "v\0\xff"s);
  const auto at = store().iterator("", "");
  at->seek("k\0"s);
  ASSERT_TRUE(at->valid());
  EXPECT_EQ(at->key(), key);
  const std::string large(2'000'000, 'x');
  put("large", large);
  EXPECT_EQ(get(store(), "large"), large);
}

TEST_P(StateStoreContract, AnIteratorStaysWithinItsBounds) {
  for (const auto* key : {"a", "b", "c", "d", "e"}) put(key, key);
  EXPECT_EQ(rows(store(), "b", "d"), "b=b c=c ");
  EXPECT_EQ(rows(store(), "bb", "cc"), "c=c ");
  EXPECT_EQ(rows(store(), "d", ""), "d=d e=e ");
  EXPECT_EQ(rows(store(), "f", ""), "");
  EXPECT_EQ(rows(store(), "b", "b"), "");
  const auto at = store().iterator("b", "d");
  at->seek("a");
  ASSERT_TRUE(at->valid());
  EXPECT_EQ(at->key(), "b");
  at->seek("d");
  EXPECT_FALSE(at->valid());
  at->seek_for_prev("z");
  ASSERT_TRUE(at->valid());
  EXPECT_EQ(at->key(), "c");
  at->prev();
  ASSERT_TRUE(at->valid());
  EXPECT_EQ(at->key(), "b");
  at->prev();
  EXPECT_FALSE(at->valid());
  at->seek_for_prev("bb");
  ASSERT_TRUE(at->valid());
  EXPECT_EQ(at->key(), "b");
  at->seek_for_prev("a");
  EXPECT_FALSE(at->valid());
  EXPECT_TRUE(at->status().has_value());
}

TEST_P(StateStoreContract, ASnapshotNeverChanges) {
  put("a", "1");
  put("b", "1");
  const auto snapshot = store().snapshot();
  put("a", "2");
  erase("b");
  put("c", "1");
  make_durable("c", "1");
  EXPECT_EQ(rows(*snapshot), "a=1 b=1 ");
  EXPECT_EQ(get(*snapshot, "b"), "1");
  EXPECT_EQ(get(*snapshot, "c"), std::nullopt);
  EXPECT_EQ(rows(store()), "a=2 c=1 ");
}

TEST_P(StateStoreContract, AnOpenIteratorDoesNotSeeLaterWrites) {
  put("a", "1");
  const auto at = store().iterator("", "");
  at->seek("");
  put("b", "1");
  erase("a");
  ASSERT_TRUE(at->valid());
  EXPECT_EQ(at->key(), "a");
  at->next();
  EXPECT_FALSE(at->valid());
}

TEST_P(StateStoreContract, ManyValuesComeInTheOrderOfTheirKeys) {
  put("a", "1");
  put("c", "3");
  const std::vector<std::string> keys = {"c", "b", "a", "c"};
  const auto values = store().multi_get(keys, SIZE_MAX);
  ASSERT_TRUE(values.has_value());
  using Values = std::vector<std::optional<std::string>>;
  EXPECT_EQ(*values, (Values{"3", std::nullopt, "1", "3"}));
  const auto snapshot = store().snapshot();
  erase("a");
  const auto before = snapshot->multi_get(keys, SIZE_MAX);
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(*before, *values);
}

// Some of the rows are in memory, some on the disk, so that a store may find them in another order.
TEST_P(StateStoreContract, ManyValuesStopAtTheirBytesButGiveOne) {
  const auto key = [](int i) { return "k" + std::to_string(100 + i); };
  const auto value = [](int i) { return std::string(1'000, static_cast<char>('a' + i % 26)); };
  std::vector<std::string> keys;
  for (int i = 0; i < 60; ++i) keys.push_back(key(i));
  for (int i = 0; i < 60; i += 2) put(key(i), value(i));
  put("last", "1");
  make_durable("last", "1");
  for (int i = 1; i < 60; i += 4) put(key(i), value(i));
  for (const std::size_t bytes_max : {0u, 1u, 999u, 1'000u, 5'500u, 100'000u}) {
    SCOPED_TRACE(bytes_max);
    std::size_t done = 0;
    while (done < keys.size()) {
      const auto some = store().multi_get(std::span(keys).subspan(done), bytes_max);
      ASSERT_TRUE(some.has_value());
      ASSERT_FALSE(some->empty());
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < some->size(); ++i) {
        const int number = static_cast<int>(done + i);
        const bool there = number % 2 == 0 || number % 4 == 1;
        ASSERT_EQ((*some)[i], there ? std::optional(value(number)) : std::nullopt) << number;
        bytes += there ? 1'000 : 0;
      }
      if (some->size() > 1) {
        EXPECT_LE(bytes, bytes_max);
      }
      done += some->size();
    }
  }
}

TEST_P(StateStoreContract, DurableIsWhatACrashLeaves) {
  put("a", "1");
  EXPECT_EQ(*store().get_durable("a"), std::nullopt);
  make_durable("a", "1");
  put("a", "2");
  put("b", "1");
  EXPECT_EQ(get(store(), "a"), "2");
  EXPECT_EQ(*store().get_durable("a"), "1");
  subject_->crash();
  EXPECT_EQ(rows(store()), "a=1 ");
  EXPECT_EQ(*store().get_durable("a"), "1");
}

// Goal: after a crash at any time the store holds the effect of whole batches, without a hole, and
// of at least those that were durable. Method: batch i writes the number i to a key of its own and
// to a shared one; whatever the shared key says must agree with all others.
TEST_P(StateStoreContract, ACrashLeavesAPrefixOfWholeBatches) {
  constexpr std::size_t rounds = 4;
  constexpr std::uint64_t batches = 200;
  std::uint64_t next = 1;
  std::uint64_t durable = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::uint64_t i = 0; i < batches; ++i, ++next) {
      StateBatch batch;
      batch.put("last", std::to_string(next));
      batch.put("own" + std::to_string(next), std::string(1000, 'x'));
      ASSERT_TRUE(store().write(batch).has_value());
      if (i == batches / 2) {
        durable = next;
        ASSERT_TRUE(store().flush().has_value());
      }
    }
    await_durable("own" + std::to_string(durable), std::string(1000, 'x'));
    subject_->crash();
    const auto last = get(store(), "last");
    ASSERT_TRUE(last.has_value());
    const std::uint64_t survived = std::stoull(*last);
    EXPECT_GE(survived, durable);
    for (std::uint64_t i = 1; i < next; ++i) {
      EXPECT_EQ(get(store(), "own" + std::to_string(i)).has_value(), i <= survived) << i;
    }
    next = survived + 1;
  }
}

TEST_P(StateStoreContract, SizesGrowWithWhatIsStored) {
  for (int i = 0; i < 200; ++i) put("key" + std::to_string(i), std::string(10'000, 'x'));
  make_durable("key199", std::string(10'000, 'x'));
  const StateSizes sizes = store().sizes();
  EXPECT_GT(sizes.on_disk_bytes, 0U);
  EXPECT_GT(sizes.in_use_bytes, 0U);
  EXPECT_GT(sizes.memory_bytes, 0U);
}

// ---- checkpoints

TEST_P(StateStoreContract, ACheckpointTakesThePlaceOfWhatIsStored) {
  put("a", "1");
  make_durable("a", "1");
  put("b", "1");
  const std::string copy = subject_->place("copy");
  ASSERT_TRUE(store().checkpoint(copy).has_value());
  EXPECT_EQ(*store().get_durable("b"), "1") << "what it took is durable";
  put("a", "2");
  put("c", "2");
  const auto before = store().snapshot();
  const auto walk = store().iterator("", "");
  ASSERT_TRUE(store().install(copy).has_value());
  EXPECT_EQ(rows(store()), "a=1 b=1 ");
  EXPECT_EQ(rows(*before), "a=2 b=1 c=2 ") << "a view shows what it showed";
  walk->seek("");
  ASSERT_TRUE(walk->valid());
  EXPECT_EQ(walk->value(), "2");
  EXPECT_EQ(*store().get_durable("a"), "1") << "what was installed is durable";
  EXPECT_EQ(*store().get_durable("c"), std::nullopt);
  put("d", "3");
  subject_->crash();
  EXPECT_EQ(rows(store()), "a=1 b=1 ");
  put("d", "4");
  make_durable("d", "4");
  subject_->crash();
  EXPECT_EQ(rows(store()), "a=1 b=1 d=4 ");
}

TEST_P(StateStoreContract, CheckpointsAreIndependentOfEachOtherAndOfTheStore) {
  for (const std::string name : {"1", "2", "3"}) {
    put("a", name);
    put(name, std::string(50'000, 'x'));
    ASSERT_TRUE(store().checkpoint(subject_->place(name)).has_value());
  }
  for (const std::string name : {"2", "1", "3"}) {
    put("a", "between");
    ASSERT_TRUE(store().install(subject_->place(name)).has_value());
    EXPECT_EQ(get(store(), "a"), name);
    EXPECT_EQ(get(store(), "2").has_value(), name != "1");
    EXPECT_FALSE(store().install(subject_->place(name)).has_value()) << "it was taken over";
  }
  subject_->crash();
  EXPECT_EQ(get(store(), "a"), "3");
}

TEST_P(StateStoreContract, AnUnsoundCheckpointIsRefusedAndChangesNothing) {
  put("a", "1");
  ASSERT_TRUE(store().checkpoint(subject_->place("copy")).has_value());
  put("a", "2");
  subject_->damage(subject_->place("copy"));
  EXPECT_EQ(store().install(subject_->place("copy")).error().code, Code::corrupt);
  EXPECT_EQ(store().install(subject_->place("nothing")).error().code, Code::corrupt);
  EXPECT_EQ(rows(store()), "a=2 ");
  put("b", "1");
  make_durable("b", "1");
}

// Goal: any sequence of batches, snapshots, flushes and walks agrees with an ordered map.
TEST_P(StateStoreContract, AgreesWithAMap) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    subject_ = GetParam().make();
    Prng prng(seed);
    std::map<std::string, std::string> model;
    const auto key = [&prng] { return "k" + std::to_string(prng.below(50)); };
    const auto text = [](const auto& from, const auto& to) {
      std::string all;
      for (auto at = from; at != to; ++at) all += at->first + "=" + at->second + " ";
      return all;
    };
    std::unique_ptr<StateView> snapshot;
    std::string snapshot_rows;
    for (int step = 0; step < 300; ++step) {
      StateBatch batch;
      for (std::uint64_t i = prng.below(8); i > 0; --i) {
        const std::string k = key();
        if (prng.chance(1, 3)) {
          batch.erase(k);
          model.erase(k);
        } else {
          const std::string v = std::to_string(prng.next());
          batch.put(k, v);
          model[k] = v;
        }
      }
      ASSERT_TRUE(store().write(batch).has_value());
      std::string lower = key();
      std::string upper = key();
      if (upper < lower) std::swap(lower, upper);
      EXPECT_EQ(rows(store(), lower, upper),
                text(model.lower_bound(lower), model.lower_bound(upper)));
      if (snapshot) {
        EXPECT_EQ(rows(*snapshot), snapshot_rows);
      }
      if (prng.chance(1, 20)) {
        snapshot = store().snapshot();
        snapshot_rows = text(model.begin(), model.end());
      }
      if (prng.chance(1, 30)) {
        ASSERT_TRUE(store().flush().has_value());
      }
    }
    EXPECT_EQ(rows(store()), text(model.begin(), model.end()));
    snapshot.reset();
  }
}

// Goal: readers on other threads see whole batches while the writer writes. (TSan has its say.)
TEST_P(StateStoreContract, ReadersOnOtherThreadsSeeWholeBatches) {
  constexpr int batches = 300;
  StateBatch first;
  first.put("a", "0");
  first.put("b", "0");
  ASSERT_TRUE(store().write(first).has_value());
  std::vector<std::unique_ptr<StateView>> views;
  for (int i = 1; i <= batches; ++i) {
    StateBatch batch;
    batch.put("a", std::to_string(i));
    batch.put("b", std::to_string(i));
    ASSERT_TRUE(store().write(batch).has_value());
    if (i % 10 == 0) views.push_back(store().snapshot());
    if (i % 50 != 0) continue;
    std::thread reader([this, view = std::move(views.back())] {
      const auto a = get(*view, "a");
      for (int read = 0; read < 50; ++read) {
        EXPECT_EQ(get(*view, "a"), a);
        EXPECT_EQ(get(*view, "b"), a);
      }
    });
    views.pop_back();
    StateBatch meanwhile;
    meanwhile.put("a", "x" + std::to_string(i));
    meanwhile.put("b", "x" + std::to_string(i));
    EXPECT_TRUE(store().write(meanwhile).has_value());
    reader.join();
  }
}

}  // namespace aspen::contract
