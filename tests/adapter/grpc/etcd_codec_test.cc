#include "node/wire/etcd_codec.h"

#include <gtest/gtest.h>

namespace aspen::wire {
namespace {

TEST(EtcdCodec, ARangeKeepsEveryField) {
  etcdserverpb::RangeRequest message;
  message.set_key(std::string("k\0y", 3));
  message.set_range_end("z");
  message.set_limit(1);
  message.set_revision(2);
  message.set_sort_order(etcdserverpb::RangeRequest::DESCEND);
  message.set_sort_target(etcdserverpb::RangeRequest::VALUE);
  message.set_serializable(true);
  message.set_keys_only(true);
  message.set_count_only(true);
  message.set_min_mod_revision(3);
  message.set_max_mod_revision(4);
  message.set_min_create_revision(5);
  message.set_max_create_revision(6);
  const kv::RangeRequest expected{std::string("k\0y", 3),
                                  "z",
                                  1,
                                  2,
                                  kv::SortOrder::descend,
                                  kv::SortTarget::value,
                                  true,
                                  true,
                                  true,
                                  3,
                                  4,
                                  5,
                                  6};
  EXPECT_EQ(decode(std::move(message)), expected);
}

TEST(EtcdCodec, AnEnumerationThatNamesNothingIsKept) {
  etcdserverpb::RangeRequest message;
  message.set_sort_order(static_cast<etcdserverpb::RangeRequest::SortOrder>(17));
  EXPECT_EQ(static_cast<int>(decode(std::move(message)).sort_order), 17);
}

TEST(EtcdCodec, ANestedTransactionKeepsItsBranches) {
  etcdserverpb::TxnRequest message;
  auto& compare = *message.add_compare();
  compare.set_result(etcdserverpb::Compare::GREATER);
  compare.set_target(etcdserverpb::Compare::MOD);
  compare.set_key("k");
  compare.set_range_end("l");
  compare.set_mod_revision(9);
  message.add_success()->mutable_request_put()->set_key("p");
  auto& nested = *message.add_failure()->mutable_request_txn();
  nested.add_success()->mutable_request_range()->set_key("r");
  nested.add_failure()->mutable_request_delete_range()->set_key("d");
  message.add_failure();  // names nothing

  const kv::TxnRequest request = decode(std::move(message));
  ASSERT_EQ(request.compare.size(), 1U);
  EXPECT_EQ(request.compare[0],
            (kv::Compare{kv::CompareResult::greater, kv::CompareTarget::mod, "k", "l", 9, ""}));
  ASSERT_EQ(request.success.size(), 1U);
  EXPECT_EQ(std::get<kv::PutRequest>(request.success[0].request).key, "p");
  ASSERT_EQ(request.failure.size(), 2U);
  const auto& inner = std::get<kv::TxnRequest>(request.failure[0].request);
  EXPECT_EQ(std::get<kv::RangeRequest>(inner.success.at(0).request).key, "r");
  EXPECT_EQ(std::get<kv::DeleteRangeRequest>(inner.failure.at(0).request).key, "d");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(request.failure[1].request));
}

TEST(EtcdCodec, AnOperandOfAnotherTargetCountsAsAbsent) {
  etcdserverpb::TxnRequest message;
  auto& number = *message.add_compare();
  number.set_target(etcdserverpb::Compare::VERSION);
  number.set_mod_revision(9);
  auto& value = *message.add_compare();
  value.set_target(etcdserverpb::Compare::VALUE);
  value.set_lease(3);
  const kv::TxnRequest request = decode(std::move(message));
  EXPECT_EQ(request.compare.at(0).number, 0);
  EXPECT_EQ(request.compare.at(1).value, "");
}

// Inner headers carry a revision only; a nested transaction's own is absent as a number but there
// as a message, as etcd sends it.
TEST(EtcdCodec, ATransactionsAnswerHasAHeaderInEachPart) {
  kv::TxnResponse nested;
  nested.succeeded = true;
  kv::RangeResponse range;
  range.revision = 4;
  range.count = 1;
  range.more = true;
  range.kvs.push_back({"k", 2, 3, 2, "v", 5});
  kv::DeleteRangeResponse deleted;
  deleted.revision = 5;
  deleted.deleted = 1;
  deleted.prev_kvs.push_back({"o", 2, 2, 1, "w", 0});
  kv::PutResponse put;
  put.revision = 5;
  put.prev_kv = kv::KeyValue{"p", 1, 1, 1, "x", 0};
  nested.responses.push_back({std::move(put)});
  kv::TxnResponse response;
  response.revision = 5;
  response.responses.push_back({std::move(range)});
  response.responses.push_back({std::move(deleted)});
  response.responses.push_back({std::move(nested)});

  etcdserverpb::TxnResponse out;
  encode(std::move(response), out);
  EXPECT_FALSE(out.succeeded());
  EXPECT_EQ(out.header().revision(), 5);
  const auto& kvs = out.responses(0).response_range();
  EXPECT_EQ(kvs.header().revision(), 4);
  EXPECT_EQ(kvs.count(), 1);
  EXPECT_TRUE(kvs.more());
  EXPECT_EQ(kvs.kvs(0).ShortDebugString(),
            R"(key: "k" create_revision: 2 mod_revision: 3 version: 2 value: "v" lease: 5)");
  EXPECT_EQ(out.responses(1).response_delete_range().deleted(), 1);
  EXPECT_EQ(out.responses(1).response_delete_range().prev_kvs(0).value(), "w");
  const auto& inner = out.responses(2).response_txn();
  EXPECT_TRUE(inner.has_header());
  EXPECT_EQ(inner.header().revision(), 0);
  EXPECT_TRUE(inner.succeeded());
  EXPECT_EQ(inner.responses(0).response_put().prev_kv().value(), "x");
}

TEST(EtcdCodec, AMembersAddressesBecomeUrls) {
  Member member;
  member.peer.id = NodeId(5);
  member.name = "n1";
  member.role = Role::learner;
  member.peer_address = "h:2380";
  member.client_addresses = {"h:2379", "[::1]:2379"};
  etcdserverpb::Member out;
  encode(member, out);
  EXPECT_EQ(out.ShortDebugString(),
            R"(ID: 5 name: "n1" peerURLs: "http://h:2380" clientURLs: "http://h:2379" )"
            R"(clientURLs: "http://[::1]:2379" isLearner: true)");
}

}  // namespace
}  // namespace aspen::wire
