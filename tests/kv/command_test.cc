// The codec of commands: what was encoded comes back; damaged bytes are errors.
#include "node/kv/command.h"

#include <gtest/gtest.h>

#include "node/base/limits.h"
#include "tests/kv/machine.h"
#include "tests/kv/random_requests.h"

namespace aspen::kv {
namespace {

TEST(Command, EveryRequestComesBack) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomRequests requests{Prng(seed)};
    requests.around(-1, 1'000'000'000'000);
    const Request request = requests.any();
    const CommandHeader header{{seed, ~seed}, seed * 1000};
    const auto command = decode_command(encode_command(header, encode_request(request)));
    ASSERT_TRUE(command.has_value()) << command.error().what;
    EXPECT_EQ(command->header, header);
    EXPECT_EQ(command->request, request);
  }
}

TEST(Command, ExtremeNumbersComeBack) {
  RangeRequest request = get("k");
  request.limit = INT64_MIN;
  request.revision = INT64_MAX;
  request.sort_order = SortOrder(INT32_MAX);
  request.sort_target = SortTarget(INT32_MIN);
  const auto decoded = decode_request(encode_request(request));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(std::get<RangeRequest>(*decoded), request);
}

TEST(Command, AnOperationThatNamesNothingComesBack) {
  TxnRequest txn;
  txn.success = {{}, {put("a", "1")}, {}};
  const auto decoded = decode_request(encode_request(txn));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(std::get<TxnRequest>(*decoded), txn);
}

TEST(Command, ANewerFormatIsRefusedByName) {
  std::string text(encode_command({}, encode_request(put("a", "1"))).view());
  text[0] = 9;
  const auto command = decode_command(Bytes(text));
  ASSERT_FALSE(command.has_value());
  EXPECT_EQ(command.error().code, Code::unsupported);
  EXPECT_EQ(command.error().detail, 9U);
}

TEST(Command, TooDeepNestingIsRefused) {
  TxnRequest txn;
  for (std::size_t depth = 1; depth < limits::txn_depth_max; ++depth) {
    TxnRequest outer;
    outer.success.push_back({std::move(txn)});
    txn = std::move(outer);
  }
  EXPECT_TRUE(decode_request(encode_request(txn)).has_value());
  TxnRequest outer;
  outer.success.push_back({std::move(txn)});
  EXPECT_EQ(decode_request(encode_request(outer)).error().code, Code::corrupt);
}

TEST(Command, ACutCommandIsDamage) {
  RandomRequests requests{Prng(7)};
  const Bytes bytes = encode_command({}, encode_request(requests.txn(3)));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto command = decode_command(bytes.slice(0, size));
    ASSERT_FALSE(command.has_value()) << size;
    EXPECT_EQ(command.error().code, Code::corrupt);
  }
  EXPECT_EQ(decode_command(Bytes(std::string(bytes.view()) + "x")).error().code, Code::corrupt);
}

// Goal: no bytes whatsoever crash the decoder or make it allocate without bound; what it accepts is
// encoded back to the same request.
TEST(Command, DamagedBytesNeverCrashTheDecoder) {
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    RandomRequests requests{Prng(seed)};
    Prng& prng = requests.prng();
    std::string text = encode_request(requests.any());
    for (std::uint64_t i = 1 + prng.below(4); i > 0; --i) {
      switch (prng.below(4)) {
        case 0:
          text[prng.below(text.size())] = static_cast<char>(prng.next());
          break;
        case 1:
          text.insert(prng.below(text.size() + 1), 1 + prng.below(9), '\xff');
          break;
        case 2:
          text.resize(1 + prng.below(text.size()));
          break;
        default:
          text.append(1, static_cast<char>(prng.next()));
      }
    }
    const auto decoded = decode_request(text);
    if (!decoded) continue;
    const auto again = decode_request(encode_request(*decoded));
    ASSERT_TRUE(again.has_value()) << "seed " << seed;
    EXPECT_EQ(*again, *decoded) << "seed " << seed;
  }
}

TEST(Command, ItsOriginIsReadWithoutTheRequest) {
  const Bytes bytes = encode_command({{3, 4}, 5}, encode_request(put("a", "1")));
  EXPECT_EQ(command_origin(bytes), (Origin{3, 4}));
  EXPECT_EQ(command_origin(Bytes("")), std::nullopt);
  EXPECT_EQ(command_origin(bytes.slice(0, 9)), std::nullopt);
}

}  // namespace
}  // namespace aspen::kv
