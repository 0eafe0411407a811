#include "node/wire/frame.h"

#include <gtest/gtest.h>

#include <functional>

#include "node/base/limits.h"
#include "node/wire/cluster_codec.h"
#include "tests/wire/random_messages.h"

namespace aspen::wire {
namespace {

std::string frame_bytes(const FrameParts& parts) {
  std::string out;
  encode_frame_head(parts, out);
  out.append(parts.payload);
  return out;
}

Result<Frame> open(std::string_view bytes) {
  if (bytes.size() < frame_header_bytes) return fail(Code::unavailable, "short");
  const Result<FrameHeader> header = decode_frame_header(bytes.substr(0, frame_header_bytes));
  if (!header) return tl::unexpected<Error>(header.error());
  if (bytes.size() != frame_header_bytes + header->body_bytes()) {
    return fail(Code::unavailable, "another length");
  }
  return open_frame(*header, bytes);
}

TEST(Frame, RoundTrip) {
  Prng prng(1);
  for (int i = 0; i < 5'000; ++i) {
    const Bytes meta = any_payload(prng, 40);
    const Bytes payload = any_payload(prng, 400);
    const auto type = static_cast<FrameType>(1 + prng.below(frame_type_max));
    const GroupId group(any_number(prng));
    const std::string bytes = frame_bytes({type, group, meta.view(), payload.view()});
    const Result<Frame> frame = open(bytes);
    ASSERT_TRUE(frame.has_value()) << frame.error().what;
    ASSERT_EQ(frame->header.type, type);
    ASSERT_EQ(frame->header.group, group);
    ASSERT_EQ(frame->meta, meta.view());
    ASSERT_EQ(frame->payload, payload.view());
    ASSERT_EQ(frame->take_payload(), payload);
  }
}

// Goal: no bit of a frame may change unseen. Method: flip every single one.
TEST(Frame, EveryFlippedBitIsSeen) {
  const std::string whole =
      frame_bytes({FrameType::cast, the_group, "a meta", "the payload of a small frame"});
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ static_cast<char>(1U << (bit % 8)));
    ASSERT_FALSE(open(bytes).has_value()) << bit;
  }
}

TEST(Frame, SaysWhatIsWrong) {
  std::string bytes = frame_bytes({FrameType::ping, GroupId(), "12345678", ""});
  bytes[6] = 9;
  EXPECT_EQ(open(bytes).error().code, Code::unsupported);
  EXPECT_EQ(open(bytes).error().detail, 9U);
  // Another protocol's text shows as an absurd length.
  const Result<FrameHeader> http = decode_frame_header("GET / HTTP/1.1\r\nHost: ab");
  EXPECT_EQ(http.error().code, Code::invalid_argument);
  EXPECT_STREQ(http.error().what, "frame: length above the limit");
}

Hello any_hello(Prng& prng) {
  Hello hello;
  hello.use = static_cast<LinkUse>(prng.below(2));
  if (prng.chance(1, 2)) {
    hello.cluster = ClusterId(1 + any_number(prng) / 2);
    hello.self.id = NodeId(1 + any_number(prng) / 2);
  }
  hello.self.incarnation = {prng.next(), 1 + any_number(prng) / 2};
  for (auto& byte : hello.nonce) byte = static_cast<std::uint8_t>(prng.next());
  hello.name = any_payload(prng, 30).view();
  return hello;
}

Assign any_assign(Prng& prng) {
  Assign assign{ClusterId(7), {NodeId(8), {9, 10}}, {}};
  const std::uint64_t members = prng.below(5);
  for (std::uint64_t i = 0; i < members; ++i) {
    assign.config.members.push_back({{NodeId(100 + i), {i, prng.next()}},
                                     Role::voter,
                                     "n" + std::to_string(i),
                                     "host:2380",
                                     {"host:2379", "other:2379"}});
  }
  return assign;
}

TEST(ClusterCodec, RoundTrip) {
  Prng prng(5);
  for (int i = 0; i < 2'000; ++i) {
    const Hello hello = any_hello(prng);
    ASSERT_EQ(decode_hello(encode(hello)).value(), hello);
    const Assign assign = any_assign(prng);
    ASSERT_EQ(decode_assign(encode(assign)).value(), assign);
    const ProbeReply reply{hello.cluster, hello.self, hello.name, "host:2379"};
    ASSERT_EQ(decode_probe_reply(encode(reply)).value(), reply);
    const Proof proof{hello.nonce};
    ASSERT_EQ(decode_proof(encode(proof)).value().digest, proof.digest);
    const std::uint64_t number = prng.next();
    ASSERT_EQ(decode_heartbeat(encode(Heartbeat{number})).value().time_us, number);
    std::string head;
    encode_cast_head({static_cast<CastType>(number), "target"}, head);
    ASSERT_EQ(decode_cast_head(head).value().type, static_cast<CastType>(number));
    ASSERT_EQ(decode_cast_head(head).value().target, "target");
  }
}

TEST(ClusterCodec, ErrorsRoundTripAndHaveAText) {
  for (std::uint8_t i = 1; i <= link_error_max; ++i) {
    const ErrorFrame frame{static_cast<LinkError>(i), 77, {1, 2}};
    const Result<ErrorFrame> back = decode_error(encode(frame));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->error, frame.error);
    EXPECT_EQ(back->detail, 77U);
    EXPECT_EQ(back->incarnation, frame.incarnation);
    EXPECT_NE(to_error(frame.error).code, Code::ok);
  }
}

// Goal: no decoder reads beyond its input or crashes. Method: every cut and much damage, from
// memory that ends there.
TEST(ClusterCodec, DamageNeverCrashes) {
  Prng prng(6);
  const auto decode_all = [](const std::string& text) {
    const Bytes bytes(text);
    ASPEN_MAYBE(decode_hello(bytes.view()).has_value());
    ASPEN_MAYBE(decode_proof(bytes.view()).has_value());
    ASPEN_MAYBE(decode_error(bytes.view()).has_value());
    ASPEN_MAYBE(decode_heartbeat(bytes.view()).has_value());
    ASPEN_MAYBE(decode_probe_reply(bytes.view()).has_value());
    ASPEN_MAYBE(decode_assign(bytes.view()).has_value());
    ASPEN_MAYBE(decode_assign_reply(bytes.view()).has_value());
    ASPEN_MAYBE(decode_cast_head(bytes.view()).has_value());
    ASPEN_MAYBE(open(bytes.view()).has_value());
  };
  for (int i = 0; i < 500; ++i) {
    for (const std::string& whole : {encode(any_hello(prng)), encode(any_assign(prng))}) {
      for (std::size_t cut = 0; cut < whole.size(); ++cut) decode_all(whole.substr(0, cut));
      for (int j = 0; j < 50; ++j) decode_all(damaged(prng, whole));
    }
  }
}

// Goal: what one node puts into another's identity file fits there. Method: the largest membership
// that Init accepts passes; each limit of it is passed by one.
TEST(ClusterCodec, AnAssignmentKeepsToTheLimitsOfAnInit) {
  Assign largest{ClusterId(7), {NodeId(8), {9, 10}}, {}};
  for (std::uint64_t i = 0; i < limits::voters_max; ++i) {
    largest.config.members.push_back(
        {{NodeId(100 + i), {i, 1}},
         Role::voter,
         std::string(limits::node_name_bytes_max, 'n'),
         std::string(limits::address_bytes_max, 'p'),
         std::vector<std::string>(limits::member_addresses_max,
                                  std::string(limits::address_bytes_max, 'c'))});
  }
  EXPECT_EQ(decode_assign(encode(largest)).value(), largest);
  EXPECT_LT(encode(largest).size() + 1024, limits::small_file_bytes_max);
  const auto refused = [&largest](const std::function<void(Config&)>& spoil) {
    Assign assign = largest;
    spoil(assign.config);
    return decode_assign(encode(assign)).error().code == Code::invalid_argument;
  };
  EXPECT_TRUE(refused([](Config& config) { config.members[3].name += 'n'; }));
  EXPECT_TRUE(refused([](Config& config) { config.members[6].peer_address += 'p'; }));
  EXPECT_TRUE(refused([](Config& config) { config.members[0].client_addresses[15] += 'c'; }));
  EXPECT_TRUE(refused([](Config& config) {
    config.members.push_back({{NodeId(900), {1, 1}}, Role::voter, "n", "p", {}});
  }));
}

TEST(ClusterCodec, EveryCutOfAHelloIsRefused) {
  Prng prng(7);
  const std::string whole = encode(any_hello(prng));
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    ASSERT_FALSE(decode_hello(std::string_view(whole).substr(0, cut)).has_value()) << cut;
  }
}

// Goal: a node of a later version can say so. Method: its hello may look different after the range.
TEST(ClusterCodec, HelloOfALaterFormatShowsItsRange) {
  const Result<Hello> hello = decode_hello(std::string_view("\x02\x03whatever", 10));
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->format_min, 2);
  EXPECT_EQ(hello->format_max, 3);
}

}  // namespace
}  // namespace aspen::wire
