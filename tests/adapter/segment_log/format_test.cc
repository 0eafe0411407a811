#include "node/adapter/segment_log/format.h"

#include <gtest/gtest.h>

#include "tests/contract/log_store_samples.h"

namespace aspen::adapter::segment_log {
namespace {

constexpr std::uint64_t salt = 99;

std::string joined(const EncodedRecord& record) {
  std::string bytes;
  for (const std::string_view part : record.parts) bytes += part;
  return bytes;
}

RecordHeader header_at(std::uint64_t offset) {
  RecordHeader header;
  header.generation = 7;
  header.offset = offset;
  header.synced = 4096;
  header.group = the_group;
  return header;
}

std::string sample_record() {
  LogBatch batch;
  batch.truncate_from = Index(5);
  batch.hard_state = HardState{Term(3), PeerId{NodeId(1), {2, 3}}};
  for (std::uint64_t i = 5; i < 8; ++i) {
    batch.entries.push_back(
        {{Term(3), Index(i)}, EntryKind::command, Bytes(std::string(i * 900, 'x'))});
  }
  RecordEncoder encoder;
  return joined(encoder.batch(header_at(8192), batch, batch.entries, salt));
}

TEST(Format, ABatchDecodesToWhatWasEncoded) {
  const std::string bytes = sample_record();
  const auto header = find_record(bytes, 8192, 7, salt);
  ASSERT_TRUE(header.has_value());
  ASSERT_EQ(header->record_bytes(), bytes.size());
  ASSERT_TRUE(record_intact(*header, bytes, salt));
  const auto body = decode_batch(*header, Bytes(bytes));
  ASSERT_TRUE(body.has_value());
  EXPECT_EQ(body->truncate_from, Index(5));
  EXPECT_EQ(body->hard_state->term, Term(3));
  ASSERT_EQ(body->entries.size(), 3u);
  EXPECT_EQ(body->entries[2].payload.size(), 6300u);
  EXPECT_EQ(body->entries[2].id, (LogId{Term(3), Index(7)}));
}

TEST(Format, EveryFlippedBitOfARecordIsSeen) {
  const std::string bytes = sample_record();
  for (std::size_t bit = 0; bit < bytes.size() * 8; bit += bit < 4096 ? 1 : 61) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto header = find_record(flipped, 8192, 7, salt);
    EXPECT_FALSE(header && record_intact(*header, flipped, salt)) << bit;
  }
}

TEST(Format, ARecordOfAnotherPlaceGenerationOrReplicaIsNone) {
  const std::string bytes = sample_record();
  EXPECT_FALSE(find_record(bytes, 8200, 7, salt));
  EXPECT_FALSE(find_record(bytes, 8192, 8, salt));
  EXPECT_FALSE(find_record(bytes, 8192, 7, salt + 1));
  EXPECT_FALSE(find_record(std::string_view(bytes).substr(0, 63), 8192, 7, salt));
}

TEST(Format, ASegmentHeaderSurvivesItsEncoding) {
  SegmentHeader header;
  header.cluster = ClusterId(1);
  header.self = {NodeId(2), {3, 4}};
  header.generation = 5;
  header.first_index = Index(6);
  header.chain_start = 7;
  header.previous_bytes = 8;
  header.segment_bytes = 1 << 20;
  std::string block = encode_header(header);
  ASSERT_EQ(block.size(), header_block_bytes);
  const auto got = decode_header(block);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->self, header.self);
  EXPECT_EQ(got->first_index, header.first_index);
  EXPECT_EQ(got->segment_bytes, header.segment_bytes);
  block[100] = static_cast<char>(block[100] ^ 1);
  EXPECT_EQ(decode_header(block).error().code, Code::corrupt);
  EXPECT_EQ(decode_header("short").error().code, Code::corrupt);
}

TEST(Format, AMarkSurvivesItsEncoding) {
  MarkBody mark;
  mark.purged = {Term(4), Index(44)};
  mark.oldest_generation = 3;
  mark.hard_state = contract::make_hard_state(Term(9), NodeId(8));
  mark.config = contract::make_config({Term(2), Index(20)}, "members");
  const auto got = decode_mark(encode_mark(mark));
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->purged, mark.purged);
  EXPECT_EQ(got->hard_state, mark.hard_state);
  EXPECT_EQ(got->config, mark.config);
  EXPECT_EQ(decode_mark(encode_mark(mark) + "x").error().code, Code::corrupt);
}

}  // namespace
}  // namespace aspen::adapter::segment_log
