#include "node/raft/log_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "node/base/prng.h"
#include "tests/raft/solo.h"

namespace aspen::raft {
namespace {

// The same log as a plain vector of entries.
struct Model {
  std::vector<Entry> entries;  // from index 1
  std::uint64_t purged = 0;
  std::uint64_t tail_first = 1;

  [[nodiscard]] std::optional<Term> term_at(std::uint64_t i) const {
    if (i == 0) return purged == 0 ? std::optional<Term>(Term()) : std::nullopt;
    if (i < purged || i > entries.size()) return std::nullopt;
    return entries[i - 1].id.term;
  }
};

void compare(const LogView& log, const Model& model) {
  log.invariants();
  ASSERT_EQ(log.last().index.value, model.entries.size());
  ASSERT_EQ(log.purged().index.value, model.purged);
  for (std::uint64_t i = 0; i <= model.entries.size() + 2; ++i) {
    ASSERT_EQ(log.term_at(Index(i)), model.term_at(i)) << i;
  }
  std::uint64_t bytes = 0;
  for (Index i = log.tail_first(); i <= log.last().index; i = i + 1) {
    ASSERT_EQ(log.at(i), model.entries[i.value - 1]);
    bytes += log.at(i).size_bytes();
  }
  ASSERT_EQ(log.tail_bytes(), bytes);
}

// Goal: runs and tail stay the log they stand for. Method: random operations beside a plain vector.
TEST(LogView, EqualsAPlainLogUnderRandomOperations) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Prng dice(seed);
    LogView log({}, {}, Index());
    Model model;
    std::uint64_t term = 1;
    for (int step = 0; step < 100; ++step) {
      const std::uint64_t last = model.entries.size();
      switch (dice.below(5)) {
        case 0:
          if (last > model.purged) {
            const std::uint64_t from = dice.between(model.purged + 1, last);
            log.truncate(Index(from));
            model.entries.resize(from - 1);
          }
          break;
        case 1:
          log.evict(Index(dice.between(model.purged, last)), dice.below(300));
          break;
        case 2: {
          const std::uint64_t to = std::min(last, model.purged + dice.below(4));
          log.purge(Index(to));
          model.purged = to;
          break;
        }
        default:
          term += dice.below(3) / 2;
          model.entries.push_back(command(term, last + 1, std::string(dice.below(40), 'y')));
          log.append(model.entries.back());
      }
      compare(log, model);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

LogView log_of(const std::vector<std::uint64_t>& terms) {
  LogView log({}, {}, Index());
  for (std::size_t i = 0; i < terms.size(); ++i) log.append(command(terms[i], i + 1));
  return log;
}

// Goal: the hints of both sides never step past a position where the logs agree, and end after one
// exchange per term. Method: all pairs of short logs that share a prefix rule (thesis 3.5: same
// term at an index means the same prefix), built from a common prefix and two tails.
TEST(LogView, HintsFindTheAgreementInOneExchangePerTerm) {
  Prng dice(3);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::uint64_t> common;
    std::uint64_t term = 1;
    for (std::uint64_t i = dice.below(6); i > 0; --i) common.push_back(term += dice.below(2));
    std::vector<std::uint64_t> a = common;
    std::vector<std::uint64_t> b = common;
    // The tails differ from their first entry: terms of one are even, of the other odd.
    std::uint64_t even = (term / 2 + 1) * 2;
    std::uint64_t odd = even + 1;
    for (std::uint64_t i = dice.below(7); i > 0; --i) a.push_back(even += 2 * dice.below(2));
    for (std::uint64_t i = dice.below(7); i > 0; --i) b.push_back(odd += 2 * dice.below(2));
    const LogView leader = log_of(a);
    const LogView follower = log_of(b);
    Index next = leader.last().index + 1;
    std::size_t exchanges = 0;
    while (follower.term_at(next - 1) != leader.term_at(next - 1)) {
      const LogId hint = follower.hint_for(next - 1);
      const Index agreement = leader.agreement_at_most(hint);
      ASSERT_LT(agreement + 1, next) << "no progress";
      ASSERT_GE(agreement.value, common.size()) << "stepped past the agreement";
      next = agreement + 1;
      ++exchanges;
    }
    ASSERT_EQ(next.value, common.size() + 1);
    ASSERT_LE(exchanges, follower.runs().size() + 1);
  }
}

TEST(LogView, ABatchHoldsAtLeastOneEntryAndNoMoreThanFits) {
  LogView log({}, {}, Index());
  for (std::uint64_t i = 1; i <= 5; ++i) log.append(command(1, i, std::string(68, 'x')));  // 100 B
  std::uint64_t bytes = 0;
  EXPECT_EQ(log.batch_end(Index(2), 1, bytes), Index(2));
  EXPECT_EQ(bytes, 100U);
  EXPECT_EQ(log.batch_end(Index(2), 299, bytes), Index(3));
  EXPECT_EQ(bytes, 300U);
  EXPECT_EQ(log.batch_end(Index(2), 1000, bytes), Index(5));
}

TEST(LogView, EvictionStopsAtTheGivenIndexAndBytes) {
  LogView log({}, {}, Index());
  for (std::uint64_t i = 1; i <= 5; ++i) log.append(command(1, i, std::string(68, 'x')));
  log.evict(Index(2), 0);
  EXPECT_EQ(log.tail_first(), Index(3));
  log.evict(Index(5), 250);
  EXPECT_EQ(log.tail_first(), Index(4));
  EXPECT_EQ(log.term_at(Index(1)), Term(1));
}

}  // namespace
}  // namespace aspen::raft
