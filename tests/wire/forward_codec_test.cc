#include "node/wire/forward_codec.h"

#include <gtest/gtest.h>

#include "node/base/limits.h"
#include "tests/wire/random_messages.h"

namespace aspen::wire {
namespace {

TEST(ForwardCodec, RoundTripSharesTheFramesMemory) {
  Prng prng(11);
  for (int i = 0; i < 1'000; ++i) {
    Bytes request = any_payload(prng, 300);
    if (request.empty()) request = Bytes("x");
    const Forward forward{Term(any_number(prng)), prng.next(), prng.next(), request};
    const Bytes bytes = encode(forward);
    const Result<Forward> back = decode_forward(bytes);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->term, forward.term);
    EXPECT_EQ(back->origin, forward.origin);
    EXPECT_EQ(back->sequence, forward.sequence);
    EXPECT_EQ(back->request, request);
    EXPECT_EQ(back->request.data(), bytes.data() + (bytes.size() - request.size()));
  }
}

TEST(ForwardCodec, RepliesRoundTrip) {
  const ForwardReply reply{Term(3), 4, 5, Code::overloaded};
  const Result<ForwardReply> back = decode_forward_reply(encode(reply));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->sequence, 5U);
  EXPECT_EQ(back->code, Code::overloaded);
}

// Goal: a reply can never make a caller believe that a write took effect. Method: every code byte.
TEST(ForwardCodec, AForeignCodeIsARefusal) {
  std::string text(encode(ForwardReply{Term(3), 4, 5, Code::overloaded}).view());
  for (int code = 0; code < 256; ++code) {
    text.back() = static_cast<char>(code);
    const Result<ForwardReply> back = decode_forward_reply(Bytes(text));
    ASSERT_TRUE(back.has_value());
    EXPECT_TRUE(certainly_not_applied(back->code)) << code;
  }
}

TEST(ForwardCodec, MalformedBytesAreRefused) {
  EXPECT_FALSE(decode_forward(Bytes(std::string(24, 'x'))).has_value());
  EXPECT_FALSE(decode_forward(Bytes()).has_value());
  EXPECT_FALSE(decode_forward(Bytes(std::string(25 + limits::entry_bytes_max, 'x'))).has_value());
  for (std::size_t cut = 0; cut < 25; ++cut) {
    EXPECT_FALSE(decode_forward_reply(Bytes(std::string(cut, 'x'))).has_value()) << cut;
  }
}

}  // namespace
}  // namespace aspen::wire
