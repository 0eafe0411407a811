#include "node/replica/sequence_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "node/base/prng.h"

namespace aspen::replica {
namespace {

// Goal: it is a map whose keys are given ascending. Method: random operations beside a std::map.
TEST(SequenceTable, EqualsAMapUnderRandomOperations) {
  constexpr std::uint64_t seed = 42;
  SCOPED_TRACE(seed);
  Prng prng(seed);
  SequenceTable<std::string> table(50, 100);
  std::map<std::uint64_t, std::string> model;
  std::uint64_t given = 99;
  for (int i = 0; i < 20'000; ++i) {
    if (prng.chance(1, 2) && !table.full()) {
      const std::string value = std::to_string(prng.below(1000));
      const std::uint64_t number = table.insert(value);
      ASSERT_EQ(number, given + 1);
      given = number;
      model[number] = value;
    } else {
      const std::uint64_t number = 90 + prng.below(given + 20 - 90);
      const std::optional<std::string> taken = table.take(number);
      const auto found = model.find(number);
      ASSERT_EQ(taken.has_value(), found != model.end());
      if (found != model.end()) {
        ASSERT_EQ(*taken, found->second);
        model.erase(found);
      }
    }
    ASSERT_EQ(table.size(), model.size());
    ASSERT_EQ(table.next(), given + 1);
  }
  auto expected = model.begin();
  table.for_each([&](std::uint64_t number, const std::string& value) {
    ASSERT_NE(expected, model.end());
    EXPECT_EQ(number, expected->first);
    EXPECT_EQ(value, expected->second);
    ++expected;
  });
  EXPECT_EQ(expected, model.end());
}

TEST(SequenceTable, IsFullAtItsCapacity) {
  SequenceTable<int> table(3);
  for (int i = 0; i < 3; ++i) {
    ASSERT_FALSE(table.full());
    table.insert(i);
  }
  EXPECT_TRUE(table.full());
  ASSERT_TRUE(table.take(2).has_value());
  EXPECT_FALSE(table.full());
}

// Goal: one request that never ends must not make the table grow without bound.
TEST(SequenceTable, TheSpanOfNumbersIsBounded) {
  SequenceTable<int> table(4);
  table.insert(0);
  std::size_t inserted = 1;
  while (!table.full()) {
    ASSERT_TRUE(table.take(table.insert(1)).has_value());
    ASSERT_LE(++inserted, 4 * SequenceTable<int>::span_factor);
  }
  ASSERT_TRUE(table.take(1).has_value());
  EXPECT_FALSE(table.full());
}

// Few large values fill a table as many small ones do.
TEST(SequenceTable, IsFullWhenItsValuesHoldSoManyBytes) {
  SequenceTable<int> table(100, 1, 10);
  const std::uint64_t first = table.insert(1, 6);
  EXPECT_FALSE(table.full(4));
  EXPECT_TRUE(table.full(5));
  table.insert(2, 4);
  EXPECT_TRUE(table.full(1));
  EXPECT_FALSE(table.full());
  EXPECT_TRUE(table.take(first).has_value());
  EXPECT_FALSE(table.full(6));
  EXPECT_TRUE(table.full(7));
}

}  // namespace
}  // namespace aspen::replica
