#include "node/wire/raft_codec.h"

#include <gtest/gtest.h>

#include <sstream>

#include "node/base/limits.h"
#include "tests/wire/random_messages.h"

namespace aspen::wire {
namespace {

// Every field of a message as text, written down independently of the codec.
class Text {
 public:
  template <class... T>
  std::string of(const char* name, const T&... fields) {
    out_ << name;
    (put(fields), ...);
    return out_.str();
  }

 private:
  template <class Tag>
  void put(Id<Tag> v) {
    out_ << ' ' << v.value;
  }
  void put(LogId v) { out_ << ' ' << v.term.value << '/' << v.index.value; }
  void put(bool v) { out_ << (v ? " yes" : " no"); }
  void put(std::uint64_t v) { out_ << ' ' << v; }
  void put(const std::vector<Entry>& entries) {
    for (const Entry& e : entries) {
      out_ << " [" << e.id.term.value << '/' << e.id.index.value << ' '
           << static_cast<unsigned>(e.kind) << ' ' << e.payload.view() << ']';
    }
  }
  std::ostringstream out_;
};

std::string text(const raft::PreVote& m) {
  return Text().of("PreVote", m.term, m.last);
}
std::string text(const raft::PreVoteReply& m) {
  return Text().of("PreVoteReply", m.term, m.granted);
}
std::string text(const raft::Vote& m) {
  return Text().of("Vote", m.term, m.last, m.transfer);
}
std::string text(const raft::VoteReply& m) {
  return Text().of("VoteReply", m.term, m.granted);
}
std::string text(const raft::Append& m) {
  return Text().of("Append", m.term, m.prev, m.commit, m.epoch, m.entries);
}
std::string text(const raft::AppendReply& m) {
  return Text().of("AppendReply", m.term, m.epoch, m.accepted, m.match, m.conflict_term, m.last);
}
std::string text(const raft::Heartbeat& m) {
  return Text().of("Heartbeat", m.term, m.commit, m.read, m.epoch, m.held);
}
std::string text(const raft::HeartbeatReply& m) {
  return Text().of("HeartbeatReply", m.term, m.epoch, m.read, m.match);
}
std::string text(const raft::ReadIndex& m) {
  return Text().of("ReadIndex", m.term, m.context);
}
std::string text(const raft::ReadIndexReply& m) {
  return Text().of("ReadIndexReply", m.term, m.context, m.granted, m.index);
}
std::string text(const raft::TimeoutNow& m) {
  return Text().of("TimeoutNow", m.term);
}
std::string text(const raft::Message& message) {
  return std::visit([](const auto& m) { return text(m); }, message);
}

// Goal: nothing is lost or swapped on the way. Method: random messages, compared by a text that
// does not know the codec.
TEST(RaftCodec, EveryFieldSurvives) {
  Prng prng(1);
  for (int i = 0; i < 20'000; ++i) {
    const raft::Message message = any_message(prng);
    const Result<raft::Message> back = decode_raft(encode(message));
    ASSERT_TRUE(back.has_value()) << back.error().what << " for " << text(message);
    ASSERT_EQ(text(*back), text(message));
  }
}

// Goal: a message is as long as it says. Method: every proper prefix, and one byte more, of random
// messages is refused, from memory that ends there, so that ASan sees a read beyond it.
TEST(RaftCodec, EveryCutIsRefused) {
  Prng prng(2);
  for (int i = 0; i < 300; ++i) {
    const Bytes whole = encode(any_message(prng));
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
      ASSERT_FALSE(decode_raft(Bytes(whole.view().substr(0, cut))).has_value()) << cut;
    }
    ASSERT_FALSE(decode_raft(Bytes(std::string(whole.view()) + '\0')).has_value());
  }
}

// Goal: hostile bytes give an Error or a well-formed message, never a crash. Method: damage; what
// still decodes must encode again, which asserts that it is well-formed.
TEST(RaftCodec, DamageIsRefusedOrHarmless) {
  Prng prng(3);
  int accepted = 0;
  for (int i = 0; i < 50'000; ++i) {
    const std::string bytes = damaged(prng, std::string(encode(any_message(prng)).view()));
    const Result<raft::Message> message = decode_raft(Bytes(bytes));
    if (!message) continue;
    ++accepted;
    ASSERT_LE(encode(*message).size(), bytes.size() + 16);
  }
  EXPECT_GT(accepted, 0);
}

TEST(RaftCodec, RandomBytesNeverCrash) {
  Prng prng(4);
  for (int i = 0; i < 50'000; ++i) ASPEN_MAYBE(decode_raft(any_payload(prng, 200)).has_value());
}

// Goal: an entry is not copied when it is received. Method: the payload lies inside the input.
TEST(RaftCodec, PayloadsShareTheInput) {
  raft::Append m;
  m.term = Term(3);
  m.prev = LogId{Term(2), Index(9)};
  m.entries.push_back({LogId{Term(3), Index(10)}, EntryKind::command, Bytes("payload")});
  const Bytes bytes = encode(m);
  const Result<raft::Message> back = decode_raft(bytes);
  ASSERT_TRUE(back.has_value());
  const Bytes& payload = std::get<raft::Append>(*back).entries.at(0).payload;
  EXPECT_GE(payload.data(), bytes.data());
  EXPECT_LE(payload.data() + payload.size(), bytes.data() + bytes.size());
  EXPECT_EQ(payload.view(), "payload");
}

TEST(RaftCodec, UnknownKindIsNamed) {
  const Result<raft::Message> message = decode_raft(Bytes(std::string_view("\x63", 1)));
  ASSERT_FALSE(message.has_value());
  EXPECT_EQ(message.error().code, Code::unsupported);
  EXPECT_EQ(message.error().detail, 0x63U);
}

// Goal: the rules of raft/message.h hold for whatever decodes. Method: one breach each, made by
// hand because the encoder asserts against most of them.
TEST(RaftCodec, BreachesAreRefused) {
  const auto append = [](std::uint64_t term, std::uint64_t prev_term, std::uint64_t prev_index) {
    Writer out;
    out.u8(5).varint(term).varint(prev_term).varint(prev_index).varint(0).varint(0);
    return out;
  };
  const auto refused = [](Writer out) { return !decode_raft(Bytes(out.view())).has_value(); };
  EXPECT_FALSE(refused(append(3, 2, 7).varint(1).varint(3).u8(1).bytes("x")));
  EXPECT_TRUE(refused(append(3, 4, 7).varint(0)));                             // prev is newer
  EXPECT_TRUE(refused(append(0, 0, 7).varint(0)));                             // term 0
  EXPECT_TRUE(refused(append(3, 2, 7).varint(1).varint(1).u8(1).bytes("x")));  // term falls
  EXPECT_TRUE(refused(append(3, 2, 7).varint(1).varint(4).u8(1).bytes("x")));  // above the sender
  EXPECT_TRUE(refused(append(3, 2, 7).varint(1).varint(3).u8(9).bytes("x")));  // unknown kind
  constexpr std::uint64_t most = std::uint64_t{1} << 62U;
  EXPECT_FALSE(refused(append(most, 2, 7).varint(0)));
  EXPECT_TRUE(refused(append(most + 1, 2, 7).varint(0)));  // the next term would come near a wrap
  EXPECT_TRUE(refused(append(3, 2, ~0ULL).varint(0)));
  EXPECT_TRUE(refused(append(3, 2, 7).varint(limits::append_entries_max + 1)));
  EXPECT_TRUE(refused(append(3, 2, 7).varint(1).varint(3).u8(1).bytes(
      std::string(limits::entry_bytes_max + 1, 'x'))));
}

}  // namespace
}  // namespace aspen::wire
