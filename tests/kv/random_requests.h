// Random requests over few keys, so that they meet each other. Everything that the types can hold
// comes up, valid or not.
#pragma once

#include <string>
#include <vector>

#include "node/base/prng.h"
#include "node/kv/request.h"

namespace aspen::kv {

class RandomRequests {
 public:
  explicit RandomRequests(Prng prng) : prng_(prng) {}

  // Revisions are drawn around [compacted, current].
  void around(Revision compacted, Revision current) {
    low_ = compacted;
    high_ = current;
  }

  Request any() {
    switch (prng_.below(20)) {
      case 0:
        return CompactRequest{revision(), prng_.chance(1, 2)};
      case 1:
        return range();
      case 2:
      case 3:
      case 4:
        return delete_range();
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        return txn(3);
      default:
        return put();
    }
  }

  PutRequest put() {
    PutRequest m;
    m.key = key();
    m.prev_kv = prng_.chance(1, 4);
    m.ignore_value = prng_.chance(1, 6);
    m.ignore_lease = prng_.chance(1, 6);
    if (!m.ignore_value) m.value = value();
    if (!m.ignore_lease && prng_.chance(1, 30)) m.lease = 5;
    return m;
  }
  DeleteRangeRequest delete_range() { return {key(), range_end(), prng_.chance(1, 2)}; }
  RangeRequest range() {
    RangeRequest m;
    m.key = key();
    m.range_end = range_end();
    if (prng_.chance(1, 3)) m.limit = static_cast<std::int64_t>(prng_.below(4)) - 1;
    if (prng_.chance(1, 3)) m.revision = revision();
    if (prng_.chance(1, 2)) m.sort_order = static_cast<SortOrder>(prng_.below(3));
    if (prng_.chance(1, 2)) m.sort_target = static_cast<SortTarget>(prng_.below(5));
    m.serializable = prng_.chance(1, 2);
    m.keys_only = prng_.chance(1, 5);
    m.count_only = prng_.chance(1, 8);
    if (prng_.chance(1, 6)) m.min_mod_revision = revision();
    if (prng_.chance(1, 6)) m.max_mod_revision = revision();
    if (prng_.chance(1, 6)) m.min_create_revision = revision();
    if (prng_.chance(1, 6)) m.max_create_revision = revision();
    return m;
  }
  Compare compare() {
    Compare m;
    m.result = static_cast<CompareResult>(prng_.below(4));
    m.target = static_cast<CompareTarget>(prng_.below(5));
    m.key = key();
    if (prng_.chance(1, 4)) m.range_end = range_end();
    m.number =
        m.target == CompareTarget::version ? static_cast<std::int64_t>(prng_.below(3)) : revision();
    m.value = value();
    return m;
  }
  TxnRequest txn(int depth) {
    TxnRequest m;
    for (std::uint64_t i = prng_.below(3); i > 0; --i) m.compare.push_back(compare());
    for (auto* branch : {&m.success, &m.failure}) {
      for (std::uint64_t i = prng_.below(4); i > 0; --i) branch->push_back(operation(depth));
    }
    return m;
  }
  RequestOp operation(int depth) {
    switch (prng_.below(depth > 0 ? 8 : 6)) {
      case 0:
      case 1:
        return {range()};
      case 2:
        return {delete_range()};
      case 6:
      case 7:
        return {txn(depth - 1)};
      default:
        return {put()};
    }
  }

  std::string key() {
    static const std::vector<std::string> keys = {
        std::string("\0", 1),    std::string("a"),       std::string("a\0", 2),
        std::string("a\0\0", 3), std::string("a\0b", 3), std::string("a\0\xff", 3),
        std::string("a\x01"),    std::string("ab"),      std::string("b"),
        std::string("b\xff"),    std::string("c"),       std::string("\xff"),
        std::string("\xff\xff")};
    return keys[prng_.below(keys.size())];
  }
  std::string range_end() {
    if (prng_.chance(1, 3)) return "";
    if (prng_.chance(1, 4)) return std::string(1, '\0');
    return key();
  }
  std::string value() { return std::string(prng_.below(3), static_cast<char>(prng_.below(4))); }
  Revision revision() {
    return low_ - 2 +
           static_cast<Revision>(prng_.below(static_cast<std::uint64_t>(high_ - low_) + 5));
  }
  Prng& prng() { return prng_; }

 private:
  Prng prng_;
  Revision low_ = -1;
  Revision high_ = 1;
};

}  // namespace aspen::kv
