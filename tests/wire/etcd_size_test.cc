#include <gtest/gtest.h>

#include "node/base/prng.h"
#include "node/kv/validate.h"
#include "node/wire/etcd_codec.h"

namespace aspen::wire {
namespace {

// Goal: the size that is compared with etcd's limit is that of etcd's message. Method: messages of
// random shape, measured by protobuf.
TEST(EtcdCodec, TheSizeOfARequestIsThatOfItsMessage) {
  Prng prng(3);
  const auto any_text = [&prng] {
    return std::string(prng.below(prng.chance(1, 9) ? 40'000 : 140), 'x');
  };
  const auto any_number = [&prng] {
    return static_cast<std::int64_t>(prng.chance(1, 3) ? 0 : prng.next() >> prng.below(64));
  };
  const auto fill_put = [&](etcdserverpb::PutRequest& one) {
    one.set_key(any_text());
    one.set_value(any_text());
    one.set_lease(any_number());
    one.set_prev_kv(prng.chance(1, 2));
    one.set_ignore_value(prng.chance(1, 2));
    one.set_ignore_lease(prng.chance(1, 2));
  };
  const auto fill_range = [&](etcdserverpb::RangeRequest& one) {
    one.set_key(any_text());
    one.set_range_end(any_text());
    one.set_limit(any_number());
    one.set_revision(any_number());
    one.set_sort_order(static_cast<etcdserverpb::RangeRequest::SortOrder>(prng.below(3)));
    one.set_sort_target(static_cast<etcdserverpb::RangeRequest::SortTarget>(prng.below(5)));
    one.set_serializable(prng.chance(1, 2));
    one.set_keys_only(prng.chance(1, 2));
    one.set_count_only(prng.chance(1, 2));
    one.set_min_mod_revision(any_number());
    one.set_max_mod_revision(any_number());
    one.set_min_create_revision(any_number());
    one.set_max_create_revision(any_number());
  };
  const auto fill_compare = [&](etcdserverpb::Compare& one) {
    one.set_result(static_cast<etcdserverpb::Compare::CompareResult>(prng.below(4)));
    one.set_key(any_text());
    one.set_range_end(any_text());
    if (prng.chance(1, 2)) {
      one.set_target(etcdserverpb::Compare::VALUE);
      one.set_value(any_text());
    } else {
      one.set_target(etcdserverpb::Compare::MOD);
      one.set_mod_revision(any_number());
    }
  };
  for (int i = 0; i < 2'000; ++i) {
    etcdserverpb::TxnRequest message;
    auto* at = &message;
    for (std::uint64_t depth = prng.below(4); depth > 0; --depth) {
      at = at->add_failure()->mutable_request_txn();
    }
    for (std::uint64_t n = prng.below(3); n > 0; --n) fill_compare(*at->add_compare());
    for (std::uint64_t n = prng.below(3); n > 0; --n)
      fill_put(*at->add_success()->mutable_request_put());
    for (std::uint64_t n = prng.below(3); n > 0; --n)
      fill_range(*at->add_failure()->mutable_request_range());
    auto& erase = *at->add_failure()->mutable_request_delete_range();
    erase.set_key(any_text());
    erase.set_range_end(any_text());
    erase.set_prev_kv(prng.chance(1, 2));
    const std::size_t expected = message.ByteSizeLong();
    ASSERT_EQ(kv::etcd_size_bytes(decode(std::move(message))), expected) << i;
    etcdserverpb::CompactionRequest compact;
    compact.set_revision(any_number());
    compact.set_physical(prng.chance(1, 2));
    const std::size_t compact_bytes = compact.ByteSizeLong();
    ASSERT_EQ(kv::etcd_size_bytes(decode(std::move(compact))), compact_bytes) << i;
  }
}

}  // namespace
}  // namespace aspen::wire
