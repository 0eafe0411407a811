#include "node/wire/snapshot_codec.h"

#include <gtest/gtest.h>

#include "node/base/limits.h"
#include "tests/wire/random_messages.h"

namespace aspen::wire {
namespace {

snapshot::Message any_snapshot_message(Prng& prng) {
  const snapshot::TransferId transfer(prng.next());
  const auto part = static_cast<snapshot::Part>(prng.below(2));
  switch (prng.below(5)) {
    case 0: {
      snapshot::Offer offer{transfer, Term(prng.next()), {Term(prng.next()), Index(prng.next())}};
      for (auto& byte : offer.digest) byte = static_cast<std::uint8_t>(prng.next());
      offer.manifest_bytes = prng.below(limits::snapshot_manifest_bytes_max + 1);
      return offer;
    }
    case 1: {
      snapshot::Want want{transfer, part, {}};
      for (std::uint64_t n = prng.below(limits::snapshot_window_chunks + 1); n > 0; --n) {
        want.numbers.push_back(static_cast<std::uint32_t>(prng.next()));
      }
      return want;
    }
    case 2:
      return snapshot::Piece{transfer, part, static_cast<std::uint32_t>(prng.next()),
                             any_payload(prng, 300)};
    case 3:
      return snapshot::Verdict{transfer, static_cast<snapshot::Outcome>(prng.below(3))};
    default:
      return snapshot::Withdrawn{transfer};
  }
}

TEST(SnapshotCodec, RoundTrip) {
  Prng prng(1);
  for (int i = 0; i < 5'000; ++i) {
    const snapshot::Message message = any_snapshot_message(prng);
    const auto back = decode_snapshot(encode(message));
    ASSERT_TRUE(back.has_value()) << back.error().what;
    ASSERT_EQ(*back, message);
  }
}

TEST(SnapshotCodec, APieceSharesTheMemoryOfItsFrame) {
  const Bytes frame = encode(snapshot::Piece{snapshot::TransferId(1), snapshot::Part::content, 2,
                                             Bytes(std::string(5'000, 'x'))});
  const auto piece = std::get<snapshot::Piece>(decode_snapshot(frame).value());
  EXPECT_GE(piece.content.data(), frame.data());
  EXPECT_EQ(piece.content.data() + piece.content.size(), frame.data() + frame.size());
}

TEST(SnapshotCodec, DamageIsRefusedOrMeansSomethingElseButNeverCrashes) {
  Prng prng(2);
  for (int i = 0; i < 2'000; ++i) {
    const Bytes whole = encode(any_snapshot_message(prng));
    for (std::size_t cut = 0; cut < std::min<std::size_t>(whole.size(), 80); ++cut) {
      const auto less = decode_snapshot(Bytes(whole.view().substr(0, cut)));
      if (less) {
        ASSERT_EQ(encode(*less).view(), whole.view().substr(0, cut));
      }
    }
    for (int j = 0; j < 20; ++j) {
      const Bytes spoilt(damaged(prng, std::string(whole.view())));
      const auto message = decode_snapshot(spoilt);
      if (message) {
        ASSERT_EQ(encode(*message).view(), spoilt.view());
      }
    }
  }
}

TEST(SnapshotCodec, WhatIsOverTheLimitsIsRefused) {
  const Bytes most = encode(snapshot::Piece{snapshot::TransferId(1), snapshot::Part::content, 2,
                                            Bytes(std::string(limits::snapshot_chunk_bytes, 'x'))});
  EXPECT_TRUE(decode_snapshot(most).has_value());
  EXPECT_EQ(decode_snapshot(Bytes(std::string(most.view()) + "x")).error().code,
            Code::invalid_argument);
  std::string newer(encode(snapshot::Withdrawn{snapshot::TransferId(1)}).view());
  newer[0] = 2;
  EXPECT_EQ(decode_snapshot(Bytes(newer)).error().code, Code::unsupported);
}

}  // namespace
}  // namespace aspen::wire
