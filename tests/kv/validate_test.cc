// Checks before a proposal: etcd's order, and its rules for keys that a path changes twice.
#include "node/kv/validate.h"

#include <gtest/gtest.h>

#include <set>

#include "node/base/limits.h"
#include "node/kv/errors.h"
#include "tests/kv/machine.h"
#include "tests/kv/random_requests.h"

namespace aspen::kv {
namespace {

Error error_of(const Request& request) {
  const auto sound = validate(request);
  return sound ? Error{} : sound.error();
}

TxnRequest success(std::vector<RequestOp> operations) {
  TxnRequest txn;
  txn.success = std::move(operations);
  return txn;
}

TxnRequest branches(std::vector<RequestOp> then_operations,
                    std::vector<RequestOp> else_operations) {
  TxnRequest txn;
  txn.success = std::move(then_operations);
  txn.failure = std::move(else_operations);
  return txn;
}

TEST(Validate, SingleRequests) {
  EXPECT_EQ(error_of(get("")), errors::empty_key);
  EXPECT_EQ(error_of(put("", "1")), errors::empty_key);
  EXPECT_EQ(error_of(del("")), errors::empty_key);
  EXPECT_EQ(error_of(get("a", "a")), Error{});
  RangeRequest range = get("a");
  range.sort_order = SortOrder(3);
  EXPECT_EQ(error_of(range), errors::invalid_sort_option);
  range.key.clear();
  EXPECT_EQ(error_of(range), errors::empty_key) << "the key is looked at first";
  range = get("a");
  range.sort_target = SortTarget(5);
  EXPECT_EQ(error_of(range), errors::invalid_sort_option);
  range.sort_target = SortTarget(-1);
  EXPECT_EQ(error_of(range), errors::invalid_sort_option);
  PutRequest one = put("a", "1");
  one.ignore_value = true;
  one.ignore_lease = true;
  one.lease = 1;
  EXPECT_EQ(error_of(one), errors::value_provided) << "the value is looked at before the lease";
  one.value.clear();
  EXPECT_EQ(error_of(one), errors::lease_provided);
  EXPECT_EQ(error_of(compact(-5)), Error{}) << "that is for the store to say";
}

TEST(Validate, SizesUpToTheLimitWithEtcdsEnvelope) {
  // A value of that size has a tag, a length of three bytes, and the key's three before it.
  const std::size_t most = limits::request_bytes_max - limits::etcd_envelope_bytes - 3 - 4;
  EXPECT_TRUE(validate_size(put("k", std::string(most, 'v'))).has_value());
  EXPECT_EQ(validate_size(put("k", std::string(most + 1, 'v'))).error(), errors::request_too_large);
}

TEST(Validate, EachListOfATransactionIsLimitedAndNestingUsesItUp) {
  const std::vector<RequestOp> full(limits::txn_operations_max, RequestOp{get("a")});
  EXPECT_EQ(error_of(branches(full, full)), Error{});
  std::vector<RequestOp> over = full;
  over.push_back({get("a")});
  EXPECT_EQ(error_of(success(over)), errors::too_many_operations);
  EXPECT_EQ(error_of(branches({}, over)), errors::too_many_operations);
  TxnRequest compares;
  compares.compare.resize(limits::txn_operations_max + 1,
                          compare("", CompareTarget::mod, CompareResult::equal, 0));
  EXPECT_EQ(error_of(compares), errors::too_many_operations) << "before the keys are looked at";

  std::vector<RequestOp> most(limits::txn_operations_max - 1, RequestOp{get("a")});
  EXPECT_EQ(error_of(success({{success(most)}})), Error{});
  EXPECT_EQ(error_of(success({{success(full)}})), errors::too_many_operations);
}

TEST(Validate, OperationsAreCheckedInOrder) {
  TxnRequest txn = success({{put("", "1")}, {RequestOp{}}});
  EXPECT_EQ(error_of(txn), errors::empty_key);
  std::swap(txn.success[0], txn.success[1]);
  EXPECT_EQ(error_of(txn), errors::key_not_found) << "an operation that names nothing";
  txn.compare.push_back(compare("", CompareTarget::mod, CompareResult::equal, 0));
  EXPECT_EQ(error_of(txn), errors::empty_key) << "compares come first";
  // Every operation is checked by itself before keys are compared with each other.
  EXPECT_EQ(error_of(success({{put("a", "1")}, {put("a", "1")}, {put("", "")}})),
            errors::empty_key);
}

TEST(Validate, NoKeyMayBeChangedTwiceOnOnePath) {
  const std::string zero(1, '\0');
  const Error dup = errors::duplicate_key;
  const Error fine{};
  const struct {
    TxnRequest txn;
    Error error;
  } table[] = {
      {success({{put("a", "1")}, {put("b", "1")}}), fine},
      {success({{put("a", "1")}, {put("a", "2")}}), dup},
      {branches({{put("a", "1")}}, {{put("a", "2")}}), fine},
      {branches({}, {{put("a", "1")}, {put("a", "2")}}), dup},
      {success({{put("a", "1")}, {del("a")}}), dup},
      {success({{del("a")}, {put("a", "1")}}), dup},
      {success({{del("a")}, {del("a")}}), fine},
      {success({{del("a", "c")}, {put("b", "1")}}), dup},
      {success({{del("a", "b")}, {put("b", "1")}}), fine},
      {success({{del("b", "a")}, {put("b", "1")}}), fine},
      {success({{del("a", zero)}, {put("b", "1")}}), fine},  // not seen, as in etcd
      {success({{get("a")}, {put("a", "1")}}), fine},
      {success({{put("a", "1")}, {success({{put("a", "2")}})}}), dup},
      {success({{success({{put("a", "1")}})}, {success({{put("a", "2")}})}}), dup},
      {success({{branches({{put("a", "1")}}, {{put("a", "2")}})}}), fine},
      {success({{branches({{put("a", "1")}}, {{put("a", "2")}})}, {put("a", "3")}}), dup},
      {success({{branches({}, {{put("a", "1")}})}, {branches({{put("a", "1")}}, {})}}), dup},
      {success({{success({{del("a", "c")}})}, {put("b", "1")}}), dup},
      {success({{success({{del("a", "c")}})}, {success({{put("b", "1")}})}}), dup},
      {success({{del("a", "c")}, {success({{put("b", "1")}})}}), dup},
      // A later nested delete is not compared with an earlier nested put, as in etcd.
      {success({{success({{put("b", "1")}})}, {success({{del("a", "c")}})}}), fine},
      {success({{branches({{del("b")}}, {{put("b", "1")}})}}), fine},
  };
  int number = 0;
  for (const auto& row : table) EXPECT_EQ(error_of(row.txn), row.error) << "row " << number++;
}

// ---- the same rules by brute force: keys one by one, no intervals

struct BruteWrites {
  std::set<std::string> puts;
  std::vector<DeleteRangeRequest> deletes;
  [[nodiscard]] bool deletes_key(const std::string& key) const {
    for (const DeleteRangeRequest& one : deletes) {
      if (one.range_end.empty() ? key == one.key : key >= one.key && key < one.range_end) {
        return true;
      }
    }
    return false;
  }
};

bool brute(const std::vector<RequestOp>& operations, BruteWrites& out) {
  for (const RequestOp& operation : operations) {
    if (const auto* one = std::get_if<DeleteRangeRequest>(&operation.request)) {
      out.deletes.push_back(*one);
    }
  }
  for (const RequestOp& operation : operations) {
    const auto* nested = std::get_if<TxnRequest>(&operation.request);
    if (nested == nullptr) continue;
    BruteWrites then_writes;
    BruteWrites else_writes;
    if (!brute(nested->success, then_writes) || !brute(nested->failure, else_writes)) return false;
    for (const auto* side : {&then_writes, &else_writes}) {
      for (const std::string& key : side->puts) {
        if (out.puts.contains(key) || out.deletes_key(key)) return false;
      }
    }
    for (const auto* side : {&then_writes, &else_writes}) {
      out.puts.insert(side->puts.begin(), side->puts.end());
      out.deletes.insert(out.deletes.end(), side->deletes.begin(), side->deletes.end());
    }
  }
  for (const RequestOp& operation : operations) {
    const auto* one = std::get_if<PutRequest>(&operation.request);
    if (one == nullptr) continue;
    if (out.deletes_key(one->key) || !out.puts.insert(one->key).second) return false;
  }
  return true;
}

TEST(Validate, TheDuplicateCheckAgreesWithBruteForce) {
  int refused = 0;
  constexpr int rounds = 20'000;
  for (int seed = 1; seed <= rounds; ++seed) {
    RandomRequests requests{Prng(static_cast<std::uint64_t>(seed))};
    TxnRequest txn = requests.txn(2);
    BruteWrites then_writes;
    BruteWrites else_writes;
    const bool fine = brute(txn.success, then_writes) && brute(txn.failure, else_writes);
    const auto sound = validate(txn);
    EXPECT_EQ(sound.has_value(), fine) << "seed " << seed;
    if (!sound) {
      EXPECT_EQ(sound.error(), errors::duplicate_key) << "seed " << seed;
    }
    refused += fine ? 0 : 1;
  }
  EXPECT_GT(refused, rounds / 20) << "the keys meet often enough";
  EXPECT_LT(refused, rounds - rounds / 20);
}

// Goal: a transaction of the largest size is checked quickly: neither side of the duplicate check
// is a product of puts and deletes. Method: 62 nested transactions of 62 operations each.
TEST(Validate, AWideTransactionIsCheckedWithoutAProduct) {
  constexpr int width = 62;
  std::vector<RequestOp> outer;
  for (int i = 0; i < width; ++i) {
    std::vector<RequestOp> inner;
    for (int j = 0; j < width; ++j) {
      const std::string key = std::to_string(i * width + j);
      if (j % 2 == 0) {
        inner.push_back({put("p" + key, "")});
      } else {
        inner.push_back({del("d" + key)});
      }
    }
    outer.push_back({success(std::move(inner))});
  }
  EXPECT_EQ(error_of(success(std::move(outer))), Error{});
}

TEST(Validate, ReadOnlyAndSerializableTransactions) {
  RangeRequest local = get("a");
  local.serializable = true;
  EXPECT_TRUE(is_read_only(success({{get("a")}})));
  EXPECT_TRUE(is_read_only(TxnRequest{}));
  EXPECT_FALSE(is_read_only(branches({{get("a")}}, {{put("a", "")}})));
  EXPECT_FALSE(is_read_only(success({{success({{get("a")}})}}))) << "nested: it is proposed";
  EXPECT_TRUE(is_serializable(branches({{local}}, {{local}})));
  EXPECT_FALSE(is_serializable(branches({{local}}, {{get("a")}})));
}

}  // namespace
}  // namespace aspen::kv
