#include <gtest/gtest.h>

#include <iostream>

#include "tests/snapshot/sample.h"
#include "tests/snapshot/transfer_driver.h"

namespace aspen::snapshot {
namespace {

using contract::Crash;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t sample_chunks = 8;

class TransferTest : public testing::Test {
 protected:
  void begin(std::uint64_t seed = 1, SenderOptions options = {}) {
    transfers = std::make_unique<Transfers>(seed);
    const Manifest manifest = make_sample(transfers->there, "state", 1);
    transfers->add_sender(leader, "state", manifest, options);
    transfers->add_sender(other_leader, "state", manifest, options);
    transfers->start_receiver();
  }
  void expect_installed() {
    ASSERT_TRUE(transfers->installed());
    const std::vector<std::string> names = transfers->there.list("state").value();
    ASSERT_EQ(transfers->here.list("installed").value(), names);
    for (const std::string& name : names) {
      EXPECT_TRUE(transfers->here.content("installed/" + name) ==
                  transfers->there.content("state/" + name))
          << name;
    }
  }
  std::unique_ptr<Transfers> transfers;
};

TEST_F(TransferTest, EveryChunkTravelsOnceAndTheSnapshotIsInstalled) {
  begin();
  ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
  transfers->run(seconds(30));
  expect_installed();
  EXPECT_EQ(transfers->chunks_sent.size(), sample_chunks);
  ASSERT_EQ(transfers->senders.at(leader).ended.size(), 1u);
  const SendEnded& ended = transfers->senders.at(leader).ended.front();
  EXPECT_EQ(ended.outcome, Outcome::installed);
  EXPECT_EQ(ended.tag, 5u);
  EXPECT_EQ(ended.to, follower);
  EXPECT_EQ(ended.id, transfers->senders.at(leader).manifest.id);
}

TEST_F(TransferTest, AnyWeatherIsSurvived) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    begin(seed);
    transfers->weather = {30, 20, milliseconds(3'000)};
    ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
    transfers->run(seconds(600));
    expect_installed();
    if (HasFailure()) return;
  }
}

// Goal: a broken link or a restart costs what was on its way, and no more. Method: let some chunks
// arrive, end the receiver's process or its machine, offer again, from another leader too.
TEST_F(TransferTest, WhatHasArrivedIsNotSentAgain) {
  for (const Crash crash : {Crash::process, Crash::power}) {
    begin(1, {.bytes_per_second = 1024 * 1024});
    ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
    transfers->run(seconds(4));
    ASSERT_FALSE(transfers->installed());
    const std::size_t before = transfers->chunks_sent.size();
    ASSERT_GE(before, 3u);
    ASSERT_LT(before, sample_chunks);
    Prng prng(3);
    transfers->here.restart(crash, prng);
    transfers->start_receiver();
    transfers->senders.at(leader).sender->cancel(follower);
    ASSERT_TRUE(transfers->offer(other_leader, Term(5)).has_value());
    transfers->run(seconds(60));
    expect_installed();
    const std::size_t sent = transfers->chunks_sent.size();
    std::cout << "sent before " << before << ", in all " << sent << "\n";
    if (crash == Crash::process) {
      EXPECT_LE(sent, sample_chunks + 1) << "one may have been on its way";
    }
  }
}

TEST_F(TransferTest, ANewLeaderContinuesARunningTransfer) {
  begin(1, {.bytes_per_second = 1024 * 1024});
  ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
  transfers->run(seconds(4));
  ASSERT_FALSE(transfers->installed());
  ASSERT_TRUE(transfers->offer(other_leader, Term(5)).has_value());
  transfers->run(seconds(60));
  expect_installed();
  EXPECT_EQ(transfers->senders.at(other_leader).ended.front().outcome, Outcome::installed);
  EXPECT_LE(transfers->chunks_sent.size(), sample_chunks + limits::snapshot_window_chunks);
}

// Goal: P8 on the receiver's side: wherever it is cut, it goes on to a whole snapshot. Method: cut
// at every operation of its files, process or power, restart, offer again.
TEST_F(TransferTest, TheReceiverMayBeCutAnywhere) {
  begin();
  ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
  transfers->run(seconds(30));
  const std::uint64_t operations = transfers->here.operations();
  std::uint64_t cuts = 0;
  for (std::uint64_t cut = 1; cut <= operations; ++cut) {
    SCOPED_TRACE("cut at " + std::to_string(cut));
    begin(cut);
    transfers->here.crash_at(cut);
    ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
    transfers->run(seconds(30));
    // An operation that is refused by itself is no place to cut.
    if (!transfers->here.crashed()) continue;
    ++cuts;
    Prng prng(cut);
    transfers->here.restart(cut % 3 == 0 ? Crash::process : Crash::power, prng);
    if (!transfers->here.list("installed").value().empty()) {
      transfers->installed_path = "installed";
      expect_installed();
      continue;
    }
    transfers->start_receiver();
    transfers->senders.at(leader).sender->cancel(follower);
    ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
    transfers->run(seconds(90));
    expect_installed();
    if (HasFailure()) return;
  }
  std::cout << cuts << " cuts of " << operations << " operations\n";
  EXPECT_GT(cuts, 20u);
}

TEST_F(TransferTest, TheRateIsKept) {
  begin(1, {.bytes_per_second = 2 * 1024 * 1024});
  ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
  transfers->run(milliseconds(1'500));
  EXPECT_LE(transfers->chunks_sent.size(), 6u);
  EXPECT_GE(transfers->chunks_sent.size(), 3u);
  transfers->run(seconds(10));
  expect_installed();
}

TEST_F(TransferTest, ASilentReceiverIsGivenUpAndASlowOneIsNot) {
  begin(1, {.bytes_per_second = 100 * 1024, .progress_timeout = seconds(20)});
  ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
  transfers->run(seconds(200));
  expect_installed();
  EXPECT_EQ(transfers->senders.at(leader).ended.front().outcome, Outcome::installed)
      << "it took longer than the timeout, but went on";
  begin(1, {.progress_timeout = seconds(20)});
  transfers->weather.lost_percent = 100;
  ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
  transfers->run(seconds(30));
  ASSERT_EQ(transfers->senders.at(leader).ended.size(), 1u);
  EXPECT_EQ(transfers->senders.at(leader).ended.front().outcome, Outcome::failed);
}

TEST_F(TransferTest, TwoTransfersAtOnceAndOneToEachPeer) {
  begin();
  const PeerId second{NodeId(4), {4, 4}};
  const PeerId third{NodeId(5), {5, 5}};
  ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
  EXPECT_EQ(transfers->offer(leader, Term(4)).error().code, Code::already_exists);
  transfers->senders.at(leader).sender->cancel(follower);
  SnapshotSender& sender = *transfers->senders.at(leader).sender;
  const Source source{Term(4), {Term(1), Index(9)}, {}, Bytes("manifest"), 1};
  ASSERT_TRUE(sender.start(transfers->now, second, 1, source).has_value());
  ASSERT_TRUE(sender.start(transfers->now, third, 2, source).has_value());
  EXPECT_EQ(sender.start(transfers->now, follower, 3, source).error().code, Code::overloaded);
}

TEST_F(TransferTest, AnOlderOrForeignOfferIsNotTakenUp) {
  begin();
  transfers->receiver->set_applied(Index(5'000));
  ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
  transfers->run(seconds(10));
  EXPECT_FALSE(transfers->installed());
  EXPECT_EQ(transfers->senders.at(leader).ended.front().outcome, Outcome::installed)
      << "the receiver holds more already";
  Manifest foreign = transfers->senders.at(leader).manifest;
  foreign.cluster = ClusterId(9);
  transfers->add_sender(other_leader, "state", foreign);
  transfers->start_receiver();
  ASSERT_TRUE(transfers->offer(other_leader, Term(4)).has_value());
  transfers->run(seconds(10));
  EXPECT_FALSE(transfers->installed());
  EXPECT_EQ(transfers->senders.at(other_leader).ended.front().outcome, Outcome::failed);
}

TEST_F(TransferTest, ANewerSnapshotOfANewLeaderReplacesAnUnfinishedOne) {
  begin(1, {.bytes_per_second = 1024 * 1024});
  ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
  transfers->run(seconds(4));
  ASSERT_FALSE(transfers->installed());
  const Manifest newer = make_sample(transfers->there, "newer", 2);
  transfers->add_sender(other_leader, "newer", newer);
  ASSERT_TRUE(transfers->offer(other_leader, Term(5)).has_value());
  transfers->run(seconds(60));
  ASSERT_TRUE(transfers->installed());
  EXPECT_TRUE(transfers->here.content("installed/a.sst") ==
              transfers->there.content("newer/a.sst"));
  EXPECT_TRUE(transfers->here.list_directories("snapshots").value().empty())
      << "nothing is left of the other";
}

TEST_F(TransferTest, AFileThatIsDamagedAtTheSenderIsNotInstalled) {
  begin();
  std::string spoilt = transfers->there.content("state/b.sst");
  spoilt[limits::snapshot_chunk_bytes + 7] ^= 1;
  transfers->there.replace("state/b.sst", spoilt);
  ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
  transfers->run(seconds(10));
  EXPECT_FALSE(transfers->installed());
  EXPECT_EQ(transfers->senders.at(leader).ended.front().outcome, Outcome::failed);
}

// Goal: nothing that a peer says ends a process or makes it hold more than its bounds. Method: all
// messages, at random, in every phase, from those who take part and from others.
TEST_F(TransferTest, HostileMessagesDoNoHarm) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    begin(seed, {.bytes_per_second = 4 * 1024 * 1024});
    Prng prng(seed);
    ASSERT_TRUE(transfers->offer(leader, Term(4)).has_value());
    const Offer real{TransferId(1'000'000), Term(4), transfers->senders.at(leader).manifest.id,
                     sha256(encode(transfers->senders.at(leader).manifest)), 400};
    const std::vector<PeerId> peers{leader, other_leader, follower, {NodeId(8), {8, 8}}};
    const auto any = [&]() -> Message {
      const TransferId transfer(prng.chance(2, 3) ? 1'000'000 : prng.next());
      const auto part = static_cast<Part>(prng.below(2));
      const auto number =
          static_cast<std::uint32_t>(prng.chance(1, 5) ? prng.next() : prng.below(9));
      switch (prng.below(5)) {
        case 0: {
          Offer offer = real;
          offer.transfer = transfer;
          offer.term = Term(prng.below(6));
          if (prng.chance(1, 2)) offer.digest[prng.below(32)] ^= 1;
          if (prng.chance(1, 3)) offer.manifest_bytes = prng.next() >> prng.below(64);
          return offer;
        }
        case 1:
          return Want{transfer, part, std::vector<std::uint32_t>(prng.below(9), number)};
        case 2:
          return Piece{transfer, part, number, Bytes(random_text(prng, prng.below(600)))};
        case 3:
          return Verdict{transfer, prng.chance(1, 9) ? Outcome::failed : Outcome::busy};
        default:
          return Withdrawn{transfer};
      }
    };
    for (int i = 0; i < 400; ++i) {
      transfers->run(milliseconds(prng.below(20)));
      const PeerId from = peers[prng.below(peers.size())];
      if (prng.chance(1, 2)) {
        transfers->inject(from, follower, any());
      } else {
        transfers->inject(from, leader, any());
      }
    }
    EXPECT_LE(transfers->pieces_in_memory_max,
              limits::snapshot_transfers_max * limits::snapshot_window_chunks);
    if (transfers->installed()) continue;
    // Left in peace, it works.
    transfers->senders.at(leader).sender->cancel(follower);
    transfers->run(seconds(130));
    ASSERT_TRUE(transfers->offer(leader, Term(9)).has_value());
    transfers->run(seconds(200));
    expect_installed();
    if (HasFailure()) return;
  }
}

// Goal: pieces are asked for again when they do not come, and only then. Method: a receiver by
// itself, whose manifest has three pieces.
class Asking : public testing::Test {
 protected:
  static constexpr Instant start{1'000'000'000};

  void SetUp() override {
    ReceiverOptions options;
    options.cluster = ClusterId(0xc1);
    receiver = std::make_unique<SnapshotReceiver>(options);
    receiver->receive(start, leader, offer);
    receiver->opened(start, PartContent{});
    EXPECT_EQ(asked(), (std::vector<std::uint32_t>{0, 1, 2}));
  }
  // What it has asked for since the last call.
  std::vector<std::uint32_t> asked() {
    std::vector<std::uint32_t> numbers;
    for (const Envelope& each : receiver->take().send) {
      const auto* want = std::get_if<Want>(&each.message);
      if (want != nullptr) numbers = want->numbers;
    }
    return numbers;
  }
  void arrive(Instant now, std::uint32_t number) {
    const Bytes content(std::string(limits::snapshot_chunk_bytes, 'p'));
    receiver->receive(now, leader, Piece{offer.transfer, Part::manifest, number, content});
  }

  const Offer offer{TransferId(5), Term(4), {Term(3), Index(9)}, Digest{}, 3 * 1024 * 1024};
  std::unique_ptr<SnapshotReceiver> receiver;
};

TEST_F(Asking, ASlowLinkIsNotAskedTwice) {
  arrive(start + seconds(4), 0);
  receiver->tick(start + seconds(8));
  EXPECT_TRUE(asked().empty()) << "one came a while ago, the others are behind it";
  EXPECT_EQ(receiver->next_deadline(), start + seconds(9));
  receiver->tick(start + seconds(9));
  EXPECT_EQ(asked(), (std::vector<std::uint32_t>{1, 2}));
}

TEST_F(Asking, ANewLinkIsAskedAtOnce) {
  arrive(start + seconds(1), 1);
  receiver->linked(start + seconds(2), other_leader);
  EXPECT_TRUE(asked().empty());
  receiver->linked(start + seconds(2), leader);
  EXPECT_EQ(asked(), (std::vector<std::uint32_t>{0, 2}));
}

}  // namespace
}  // namespace aspen::snapshot
