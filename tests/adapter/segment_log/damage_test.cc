// Goal: damage to what was acknowledged is told, with file and place, and never becomes a shorter
// or different log; a torn tail is not mistaken for damage. Method: flip, cut, remove and exchange
// parts of files of a log of three segments on the simulated file system.
#include <gtest/gtest.h>

#include <algorithm>

#include "node/base/checksum.h"
#include "tests/adapter/segment_log/segment_log_subject.h"
#include "tests/contract/log_store_samples.h"
#include "tests/contract/sim_file_system.h"

namespace aspen::adapter::segment_log {
namespace {

using contract::Crash;
using contract::make_entries;
using contract::make_hard_state;
using contract::SimFileSystem;

constexpr std::uint64_t unlimited = UINT64_MAX;

SegmentLogOptions options() {
  SegmentLogOptions chosen = small_options("log");
  chosen.preparation = Preparation::in_line;
  return chosen;
}

std::string segment_path(std::uint64_t generation) {
  return "log/" + to_hex(generation) + ".log";
}

void append(SegmentLog& log, const LogBatch& batch) {
  ASSERT_TRUE(log.append(batch).has_value());
}

void append_synced(SegmentLog& log, const LogBatch& batch) {
  append(log, batch);
  log.sync([](Result<void> done) { ASSERT_TRUE(done.has_value()); });
}

std::unique_ptr<SegmentLog> open_sound(FileSystem& files) {
  LogDamage damage;
  auto opened = SegmentLog::open(files, options(), &damage);
  if (opened) return std::move(*opened);
  ADD_FAILURE() << opened.error().what << "; " << describe(damage);
  return nullptr;
}

LogDamage expect_damage(FileSystem& files, const std::string& what) {
  LogDamage damage;
  const auto opened = SegmentLog::open(files, options(), &damage);
  if (opened) {
    ADD_FAILURE() << what << " was not noticed; last " << (*opened)->last().value;
  } else {
    EXPECT_EQ(opened.error().code, Code::corrupt) << what << ": " << opened.error().what;
  }
  return damage;
}

// Places of the chained records in a segment's bytes, and of the end behind them.
std::vector<std::uint64_t> record_places(std::string_view bytes, std::uint64_t generation) {
  const std::uint64_t salt = segment_salt(options().self, generation);
  std::vector<std::uint64_t> places{header_block_bytes};
  while (true) {
    const auto header = find_record(bytes.substr(places.back()), places.back(), generation, salt);
    if (!header || header->kind == RecordKind::hint) return places;
    places.push_back(places.back() + header->record_bytes());
  }
}

class SegmentLogDamage : public testing::Test {
 protected:
  // Three segments, all synced, in use for a while: the files' tails hold old records.
  void SetUp() override {
    auto log = open_sound(files_);
    ASSERT_NE(log, nullptr);
    std::uint64_t index = 1;
    const auto write = [&](std::uint64_t until) {
      for (; index <= until; ++index) {
        const LogId id{Term(1 + index / 40), Index(index)};
        append_synced(*log,
                      {{}, make_hard_state(id.term, NodeId(1)), make_entries(id, id.index, 900)});
      }
    };
    write(60);
    ASSERT_TRUE(log->purge(Index(55)).has_value());
    write(88);
    last_ = log->last();
    log.reset();
    const std::vector<std::string> names = files_.list("log").value();
    for (const std::string& name : names) {
      if (name.ends_with(".log")) generations_.push_back(std::stoull(name, nullptr, 16));
    }
    ASSERT_GE(generations_.size(), 3u);
    ASSERT_GT(generations_.front(), 1u);
  }

  [[nodiscard]] std::uint64_t newest() const { return generations_.back(); }
  [[nodiscard]] std::vector<std::uint64_t> places(std::uint64_t generation) const {
    return record_places(files_.content(segment_path(generation)), generation);
  }
  void restart() {
    Prng unused(1);
    files_.restart(Crash::process, unused);
  }

  SimFileSystem files_;
  std::vector<std::uint64_t> generations_;
  Index last_;
};

TEST_F(SegmentLogDamage, EveryFlippedByteOfWhatWasSyncedIsTold) {
  for (const std::uint64_t generation : generations_) {
    const std::string path = segment_path(generation);
    const std::uint64_t end = places(generation).back();
    for (std::uint64_t at = 0; at < end; at += at % 1'024 < 80 ? 1 : 7) {
      files_.flip(path, at, 0x10);
      const LogDamage damage = expect_damage(files_, path + " " + std::to_string(at));
      EXPECT_EQ(damage.file, path);
      EXPECT_LE(damage.offset, at);
      files_.flip(path, at, 0x10);
      if (HasFailure()) return;
    }
  }
  EXPECT_EQ(open_sound(files_)->last(), last_);
}

TEST_F(SegmentLogDamage, AFlipBehindTheEndHarmsNothing) {
  const std::uint64_t end = places(newest()).back();
  for (std::uint64_t at = end; at < limits::log_segment_bytes_min; at += 5) {
    files_.flip(segment_path(newest()), at, 0xff);
    const auto log = open_sound(files_);
    ASSERT_NE(log, nullptr) << at;
    ASSERT_EQ(log->last(), last_);
  }
}

TEST_F(SegmentLogDamage, AMissingSegmentIsTold) {
  for (const std::uint64_t generation : generations_) {
    const std::string path = segment_path(generation);
    const std::string content = files_.content(path);
    files_.replace(path, std::nullopt);
    expect_damage(files_, path);
    files_.replace(path, content);
  }
  EXPECT_EQ(open_sound(files_)->last(), last_);
}

TEST_F(SegmentLogDamage, AShortenedSegmentIsTold) {
  for (const std::uint64_t generation : generations_) {
    const std::string path = segment_path(generation);
    const std::string content = files_.content(path);
    for (const std::size_t size : {std::size_t{0}, std::size_t{100}, content.size() - 1}) {
      files_.replace(path, content.substr(0, size));
      expect_damage(files_, path);
    }
    files_.replace(path, content);
  }
}

// Zeros are what a file system leaves where it lost data.
TEST_F(SegmentLogDamage, AZeroedTailThatWasSyncedIsTold) {
  const std::string path = segment_path(newest());
  const std::string content = files_.content(path);
  const auto records = places(newest());
  for (std::size_t i = 0; i + 1 < records.size(); ++i) {
    std::string zeroed = content;
    std::fill(zeroed.begin() + static_cast<std::ptrdiff_t>(records[i]),
              zeroed.begin() + static_cast<std::ptrdiff_t>(records.back()), '\0');
    files_.replace(path, zeroed);
    EXPECT_EQ(expect_damage(files_, path).offset, records[i]);
  }
}

TEST_F(SegmentLogDamage, AMissingLogIsToldIfThereMustBeOne) {
  for (const std::uint64_t generation : generations_) {
    files_.replace(segment_path(generation), std::nullopt);
  }
  SegmentLogOptions chosen = options();
  chosen.creation = Creation::never;
  LogDamage damage;
  EXPECT_EQ(SegmentLog::open(files_, chosen, &damage).error().code, Code::corrupt);
  EXPECT_NE(describe(damage).find("the log is missing"), std::string::npos);
}

TEST_F(SegmentLogDamage, ARecordOfAnotherHistoryIsNoPartOfTheChain) {
  const auto history = [](const std::string& name) {
    SimFileSystem files;
    auto log = open_sound(files);
    append_synced(*log, {{}, {}, {contract::make_config({Term(1), Index(1)}, name)}});
    append_synced(*log, {{}, {}, make_entries({Term(1), Index(2)}, Index(2), 100)});
    append_synced(*log, {{}, {}, make_entries({Term(1), Index(3)}, Index(3), 100)});
    log.reset();
    return files.content(segment_path(1));
  };
  std::string mixed = history("one");
  const std::string other = history("two");
  const auto records = record_places(mixed, 1);
  ASSERT_EQ(records, record_places(other, 1));
  ASSERT_EQ(records.size(), 4u);
  mixed.replace(records[1], records[2] - records[1], other, records[1], records[2] - records[1]);
  SimFileSystem files;
  files.replace(segment_path(1), mixed);
  EXPECT_EQ(expect_damage(files, "another history").offset, records[1]);
}

TEST_F(SegmentLogDamage, ANewerFormatAndForeignLogsAreRefusedByName) {
  SegmentLogOptions chosen = options();
  chosen.cluster = ClusterId(0xc2);
  EXPECT_EQ(SegmentLog::open(files_, chosen).error().code, Code::wrong_cluster);
  chosen = options();
  chosen.self.incarnation.low += 1;
  EXPECT_EQ(SegmentLog::open(files_, chosen).error().code, Code::wrong_incarnation);

  std::string content = files_.content(segment_path(newest()));
  content[8] = static_cast<char>(format_version + 1);
  Writer sum;
  sum.u64(checksum64(std::string_view(content).substr(0, header_block_bytes - 8)));
  content.replace(header_block_bytes - 8, 8, sum.view());
  files_.replace(segment_path(newest()), content);
  const auto newer = SegmentLog::open(files_, options());
  EXPECT_EQ(newer.error().code, Code::unsupported);
  EXPECT_EQ(newer.error().detail, format_version + 1);
}

TEST_F(SegmentLogDamage, AReadOfDamagedBytesIsCorruptWithAPlace) {
  const std::unique_ptr<LogStore> log = open_sound(files_);
  EXPECT_FALSE(log->damage().has_value());
  const std::uint64_t at = places(newest()).at(1);
  files_.flip(segment_path(newest()), at + 200, 1);
  const auto read = log->read(log->recovered().purged.index + 1, last_, unlimited);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, Code::corrupt);
  ASSERT_TRUE(log->damage().has_value());
  EXPECT_EQ(log->damage()->file, segment_path(newest()));
  EXPECT_EQ(log->damage()->offset, at);
  EXPECT_EQ(describe(*log->damage()), "the log is damaged: " + segment_path(newest()) +
                                          " at byte " + std::to_string(at) +
                                          ": a record is damaged; this member must be replaced");
}

TEST_F(SegmentLogDamage, AReadThatFailsNamesItsPlace) {
  const std::unique_ptr<LogStore> log = open_sound(files_);
  restart();  // the files that the log has open are dead
  const auto read = log->read(last_, last_, unlimited);
  EXPECT_EQ(read.error().code, Code::io_error);
  ASSERT_TRUE(log->damage().has_value());
  EXPECT_EQ(log->damage()->file, segment_path(newest()));
  EXPECT_GT(log->damage()->offset, 0u);
}

// Batches that were never synced: whatever is flipped in them, the log holds the acknowledged
// state and some prefix of them, or says that it is damaged.
TEST_F(SegmentLogDamage, AFlipInTheUnsyncedTailNeverGivesWrongEntries) {
  auto log = open_sound(files_);
  const std::uint64_t start = places(newest()).back();
  std::vector<Entry> unsynced = make_entries({Term(9), last_ + 1}, last_ + 3, 300);
  for (const Entry& entry : unsynced) append(*log, {{}, {}, {entry}});
  log.reset();
  const std::string path = segment_path(newest());
  const std::string content = files_.content(path);
  const std::uint64_t end = places(newest()).back();
  ASSERT_GT(end, start + 900);
  for (std::uint64_t at = start; at < end; ++at) {
    std::string flipped = content;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x40);
    files_.replace(path, flipped);
    const auto opened = SegmentLog::open(files_, options());
    if (!opened) {
      ASSERT_EQ(opened.error().code, Code::corrupt);
      continue;
    }
    const std::uint64_t survivors = distance(last_, (*opened)->last());
    ASSERT_LT(survivors, 3u) << at;
    if (survivors == 0) continue;
    unsynced.resize(survivors);
    ASSERT_EQ((*opened)->read(last_ + 1, (*opened)->last(), unlimited).value(), unsynced);
    unsynced = make_entries({Term(9), last_ + 1}, last_ + 3, 300);
  }
}

// The first of two unsynced records is torn, the second survives. When the first is then written
// again, equal to the byte, the second must not come back.
TEST_F(SegmentLogDamage, WhatWasDroppedAsTornStaysAway) {
  auto log = open_sound(files_);
  const LogBatch first{{}, make_hard_state(Term(9), NodeId(2)), {}};
  append(*log, first);
  append(*log, {{}, {}, make_entries({Term(9), last_ + 1}, last_ + 1, 100)});
  log.reset();
  const std::string path = segment_path(newest());
  const auto records = places(newest());
  files_.flip(path, records[records.size() - 3], 0xff);
  log = open_sound(files_);
  ASSERT_NE(log, nullptr);
  ASSERT_EQ(log->last(), last_);
  append(*log, first);
  log.reset();
  log = open_sound(files_);
  ASSERT_NE(log, nullptr);
  EXPECT_EQ(log->recovered().hard_state, *first.hard_state);
  EXPECT_EQ(log->last(), last_);
}

// A client cannot plant a record: the salt is made of the incarnation, which it does not know.
TEST_F(SegmentLogDamage, APayloadThatLooksLikeARecordIsNone) {
  auto log = open_sound(files_);
  RecordHeader header;
  header.generation = newest();
  header.synced = limits::log_segment_bytes_min;
  std::string planted;
  for (std::uint64_t at = 0; at < 16'384; at += 8) {
    header.offset = at;
    RecordEncoder encoder;
    for (const std::string_view part : encoder.body(header, "", 0).parts) planted += part;
    if (planted.size() > 2'000) break;
  }
  append(*log, {{}, {}, {{{Term(9), last_ + 1}, EntryKind::command, Bytes(planted)}}});
  log.reset();
  const auto records = places(newest());
  files_.flip(segment_path(newest()), records[records.size() - 2], 0xff);
  log = open_sound(files_);
  ASSERT_NE(log, nullptr);
  EXPECT_EQ(log->last(), last_);
}

}  // namespace
}  // namespace aspen::adapter::segment_log
