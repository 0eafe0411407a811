#include "node/wire/control_codec.h"

#include <gtest/gtest.h>

#include "node/base/limits.h"
#include "node/base/prng.h"
#include "node/wire/cluster_codec.h"

namespace aspen::wire {
namespace {

const AddMember add{"n4",          "host:2380",      {"host:2379", "other:2379"},
                    Role::learner, Binding::at_once, {7, 8}};

std::vector<Control> controls() {
  const LogId expect{Term(3), Index(9)};
  std::vector<Control> all;
  all.push_back({1, 2, 3, MembershipRequest{add, expect}});
  all.push_back(
      {1, 2, 3,
       MembershipRequest{ChangeVoters{{NodeId(1), NodeId(2)}, Leaving::learner}, std::nullopt}});
  all.push_back({1, 2, 3, MembershipRequest{RemoveMember{NodeId(5)}, expect}});
  all.push_back({1, 2, 3, MembershipRequest{UpdateMember{NodeId(5), "h:1", {"h:2"}}, expect}});
  all.push_back({1, 2, 3, MembershipRequest{PromoteMember{NodeId(5)}, std::nullopt}});
  all.push_back(
      {1, 2, 3, MembershipRequest{BindMember{NodeId(5), {1, 2}, "n5", "h5:2379"}, expect}});
  all.push_back({1, 2, 3, TransferRequest{NodeId(6)}});
  return all;
}

std::vector<ControlReply> replies() {
  Member member;
  member.peer = {NodeId(4), {1, 2}};
  member.name = "n";
  MembershipResult result{{{Term(2), Index(7)}, Config{{member}}}, NodeId(4)};
  return {{1, 2, ControlRefusal{raft::Refusal::stale_expect, Objection::none}},
          {1, 2, ControlRefusal{raft::Refusal::none, Objection::unknown_member}},
          {1, 2, result},
          {1, 2, TransferResult{NodeId(3), Term(8)}}};
}

TEST(ControlCodec, EveryRequestAndReplyComesBackAsItWas) {
  for (const Control& control : controls()) {
    const Result<Control> back = decode_control(encode(control));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, control);
  }
  for (const ControlReply& reply : replies()) {
    const Result<ControlReply> back = decode_control_reply(encode(reply));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, reply);
  }
}

// Method: every prefix, and one byte too many.
TEST(ControlCodec, WhatIsCutOrTooLongIsRefused) {
  for (const Control& control : controls()) {
    const std::string whole(encode(control).view());
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
      EXPECT_FALSE(decode_control(Bytes(whole.substr(0, cut))).has_value()) << cut;
    }
    EXPECT_FALSE(decode_control(Bytes(whole + "x")).has_value());
  }
  for (const ControlReply& reply : replies()) {
    const std::string whole(encode(reply).view());
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
      EXPECT_FALSE(decode_control_reply(Bytes(whole.substr(0, cut))).has_value()) << cut;
    }
    EXPECT_FALSE(decode_control_reply(Bytes(whole + "x")).has_value());
  }
}

// Method: any byte of a message is another one. What decodes encodes to itself, within limits.
TEST(ControlCodec, WhatDecodesIsWellFormed) {
  constexpr std::uint64_t seed = 5;
  Prng prng(seed);
  for (int i = 0; i < 20'000; ++i) {
    const auto all = controls();
    std::string text(encode(all[prng.below(all.size())]).view());
    text[prng.below(text.size())] = static_cast<char>(prng.next());
    const Result<Control> back = decode_control(Bytes(text));
    if (back) {
      EXPECT_EQ(*decode_control(encode(*back)), *back) << "seed " << seed;
    }
  }
}

TEST(ControlCodec, AReasonOfANewerNodeIsARefusalOfUnknownOutcome) {
  std::string text(encode(replies().front()).view());
  text.back() = static_cast<char>(200);
  const Result<ControlReply> back = decode_control_reply(Bytes(text));
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(outcome_unknown(error_of(std::get<ControlRefusal>(back->what)).code));
}

TEST(ControlCodec, AnAssignmentSaysWhetherItsNodeJoins) {
  Member member;
  member.peer = {NodeId(4), {1, 2}};
  Assign assign{ClusterId(9), member.peer, Config{{member}}, true};
  EXPECT_EQ(*decode_assign(encode(assign)), assign);
  assign.joining = false;
  EXPECT_EQ(*decode_assign(encode(assign)), assign);
  EXPECT_FALSE(decode_assign(encode(assign) + std::string(1, '\2')).has_value());
}

}  // namespace
}  // namespace aspen::wire
