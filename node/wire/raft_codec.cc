#include "node/wire/raft_codec.h"

#include <type_traits>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::wire {

namespace {

constexpr std::size_t varint_bytes_max = 10;
constexpr std::size_t fields_bytes_max = 1 + 8 * varint_bytes_max;
constexpr std::size_t entry_head_bytes_max = 2 * varint_bytes_max + 1;
// Of terms, indexes and the like. Nobody gets there by counting; a message that says so would make
// the next number wrap.
constexpr std::uint64_t number_max = std::uint64_t{1} << 62U;

// The alternatives of raft::Message in their order; a number is never given to another message.
enum class Kind : std::uint8_t {
  pre_vote = 1,
  pre_vote_reply = 2,
  vote = 3,
  vote_reply = 4,
  append = 5,
  append_reply = 6,
  heartbeat = 7,
  heartbeat_reply = 8,
  read_index = 9,
  read_index_reply = 10,
  timeout_now = 11,
};
static_assert(std::variant_size_v<raft::Message> == 11, "a new message needs a kind");

// ---- encoding

class Encoder {
 public:
  explicit Encoder(std::size_t capacity_bytes) : out_(capacity_bytes) {}

  Encoder& u8(std::uint8_t v) {
    const char byte = static_cast<char>(v);
    out_.append(std::string_view(&byte, 1));
    return *this;
  }
  Encoder& varint(std::uint64_t v) {
    char bytes[varint_bytes_max];
    std::size_t count = 0;
    while (v >= 0x80U) {
      bytes[count++] = static_cast<char>((v & 0x7fU) | 0x80U);
      v >>= 7U;
    }
    bytes[count++] = static_cast<char>(v);
    out_.append(std::string_view(bytes, count));
    return *this;
  }
  template <class Tag>
  Encoder& id(Id<Tag> v) {
    return varint(v.value);
  }
  Encoder& log_id(LogId v) { return id(v.term).id(v.index); }
  Encoder& flag(bool v) { return u8(v ? 1 : 0); }
  Encoder& kind(Kind v) { return u8(static_cast<std::uint8_t>(v)); }
  Encoder& raw(std::string_view v) {
    out_.append(v);
    return *this;
  }
  [[nodiscard]] Bytes finish() { return out_.finish(); }

 private:
  BytesBuilder out_;
};

std::size_t encoded_bytes_max(const raft::Message& message) {
  std::size_t bytes = fields_bytes_max;
  if (const auto* append = std::get_if<raft::Append>(&message)) {
    for (const Entry& entry : append->entries) bytes += entry_head_bytes_max + entry.payload.size();
  }
  return bytes;
}

void put(Encoder& out, const raft::PreVote& m) {
  out.kind(Kind::pre_vote).id(m.term).log_id(m.last);
}
void put(Encoder& out, const raft::PreVoteReply& m) {
  out.kind(Kind::pre_vote_reply).id(m.term).flag(m.granted);
}
void put(Encoder& out, const raft::Vote& m) {
  out.kind(Kind::vote).id(m.term).log_id(m.last).flag(m.transfer);
}
void put(Encoder& out, const raft::VoteReply& m) {
  out.kind(Kind::vote_reply).id(m.term).flag(m.granted);
}

void put(Encoder& out, const raft::Append& m) {
  ASPEN_ASSERT(m.entries.size() <= limits::append_entries_max);
  out.kind(Kind::append).id(m.term).log_id(m.prev).id(m.commit).id(m.epoch);
  out.varint(m.entries.size());
  Index expected = m.prev.index;
  for (const Entry& entry : m.entries) {
    expected = expected + 1;
    ASPEN_ASSERT(entry.id.index == expected);
    ASPEN_ASSERT(entry.payload.size() <= limits::entry_bytes_max);
    out.id(entry.id.term).u8(static_cast<std::uint8_t>(entry.kind));
    out.varint(entry.payload.size()).raw(entry.payload.view());
  }
}

void put(Encoder& out, const raft::AppendReply& m) {
  out.kind(Kind::append_reply).id(m.term).id(m.epoch).flag(m.accepted).id(m.match);
  out.id(m.conflict_term).id(m.last);
}
void put(Encoder& out, const raft::Heartbeat& m) {
  out.kind(Kind::heartbeat).id(m.term).id(m.commit).id(m.read).id(m.epoch).id(m.held);
}
void put(Encoder& out, const raft::HeartbeatReply& m) {
  out.kind(Kind::heartbeat_reply).id(m.term).id(m.epoch).id(m.read).id(m.match);
}
void put(Encoder& out, const raft::ReadIndex& m) {
  out.kind(Kind::read_index).id(m.term).varint(m.context);
}
void put(Encoder& out, const raft::ReadIndexReply& m) {
  out.kind(Kind::read_index_reply).id(m.term).varint(m.context).flag(m.granted).id(m.index);
}
void put(Encoder& out, const raft::TimeoutNow& m) {
  out.kind(Kind::timeout_now).id(m.term);
}

// ---- decoding

class Decoder {
 public:
  explicit Decoder(const Bytes& bytes) noexcept : whole_(bytes), in_(bytes.view()) {}

  template <class T>
  [[nodiscard]] T id() noexcept {
    const std::uint64_t number = in_.varint();
    if (number > number_max) in_.fail();
    return T(number);
  }
  [[nodiscard]] LogId log_id() noexcept {
    const Term term = id<Term>();
    return LogId{term, id<Index>()};
  }
  [[nodiscard]] std::uint64_t varint() noexcept { return in_.varint(); }
  [[nodiscard]] std::uint8_t u8() noexcept { return in_.u8(); }
  [[nodiscard]] bool flag() noexcept {
    const std::uint8_t v = in_.u8();
    if (v > 1) in_.fail();
    return v == 1;
  }
  // Terms of requests: no leader or candidate has term 0.
  [[nodiscard]] Term term_not_zero() noexcept {
    const Term term = id<Term>();
    if (!term) in_.fail();
    return term;
  }
  // A part of the input that shares its memory.
  [[nodiscard]] Bytes payload() noexcept {
    const std::string_view part = in_.bytes();
    if (part.size() > limits::entry_bytes_max) in_.fail();
    if (!in_.ok() || part.empty()) return {};
    return whole_.slice(static_cast<std::size_t>(part.data() - whole_.data()), part.size());
  }
  void fail() noexcept { in_.fail(); }
  [[nodiscard]] bool ok() const noexcept { return in_.ok(); }
  [[nodiscard]] bool done() const noexcept { return in_.done(); }
  [[nodiscard]] std::size_t left() const noexcept { return in_.left(); }

 private:
  const Bytes& whole_;
  Reader in_;
};

Entry take_entry(Decoder& in, LogId previous) {
  Entry entry;
  entry.id = LogId{in.id<Term>(), previous.index + 1};
  const std::uint8_t kind = in.u8();
  if (kind > static_cast<std::uint8_t>(EntryKind::config)) in.fail();
  entry.kind = static_cast<EntryKind>(kind);
  entry.payload = in.payload();
  if (entry.id.term < previous.term || !entry.id.term) in.fail();
  return entry;
}

raft::Append take_append(Decoder& in) {
  constexpr std::size_t entry_bytes_min = 3;
  raft::Append m;
  m.term = in.term_not_zero();
  m.prev = in.log_id();
  m.commit = in.id<Index>();
  m.epoch = in.id<raft::Epoch>();
  const std::uint64_t count = in.varint();
  if (count > limits::append_entries_max || count > in.left() / entry_bytes_min) in.fail();
  if (!in.ok() || m.prev.term > m.term) {
    in.fail();
    return m;
  }
  m.entries.reserve(count);
  LogId previous = m.prev;
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    m.entries.push_back(take_entry(in, previous));
    previous = m.entries.back().id;
  }
  if (previous.term > m.term) in.fail();
  return m;
}

raft::AppendReply take_append_reply(Decoder& in) {
  raft::AppendReply m;
  m.term = in.id<Term>();
  m.epoch = in.id<raft::Epoch>();
  m.accepted = in.flag();
  m.match = in.id<Index>();
  m.conflict_term = in.id<Term>();
  m.last = in.id<Index>();
  return m;
}

raft::Heartbeat take_heartbeat(Decoder& in) {
  raft::Heartbeat m;
  m.term = in.term_not_zero();
  m.commit = in.id<Index>();
  m.read = in.id<raft::ReadId>();
  m.epoch = in.id<raft::Epoch>();
  m.held = in.id<Index>();
  return m;
}

raft::HeartbeatReply take_heartbeat_reply(Decoder& in) {
  raft::HeartbeatReply m;
  m.term = in.id<Term>();
  m.epoch = in.id<raft::Epoch>();
  m.read = in.id<raft::ReadId>();
  m.match = in.id<Index>();
  return m;
}

raft::ReadIndexReply take_read_index_reply(Decoder& in) {
  raft::ReadIndexReply m;
  m.term = in.id<Term>();
  m.context = in.varint();
  m.granted = in.flag();
  m.index = in.id<Index>();
  return m;
}

raft::PreVote take_pre_vote(Decoder& in) {
  const Term term = in.term_not_zero();
  return {term, in.log_id()};
}
raft::Vote take_vote(Decoder& in) {
  raft::Vote m;
  m.term = in.term_not_zero();
  m.last = in.log_id();
  m.transfer = in.flag();
  return m;
}
template <class T>
T take_grant(Decoder& in) {
  const Term term = in.id<Term>();
  return T{term, in.flag()};
}

raft::Message take(Kind kind, Decoder& in) {
  switch (kind) {
    case Kind::pre_vote:
      return take_pre_vote(in);
    case Kind::pre_vote_reply:
      return take_grant<raft::PreVoteReply>(in);
    case Kind::vote:
      return take_vote(in);
    case Kind::vote_reply:
      return take_grant<raft::VoteReply>(in);
    case Kind::append:
      return take_append(in);
    case Kind::append_reply:
      return take_append_reply(in);
    case Kind::heartbeat:
      return take_heartbeat(in);
    case Kind::heartbeat_reply:
      return take_heartbeat_reply(in);
    case Kind::read_index: {
      const Term term = in.id<Term>();
      return raft::ReadIndex{term, in.varint()};
    }
    case Kind::read_index_reply:
      return take_read_index_reply(in);
    case Kind::timeout_now:
      return raft::TimeoutNow{in.term_not_zero()};
  }
  ASPEN_UNREACHABLE();
}

}  // namespace

Bytes encode(const raft::Message& message) {
  Encoder out(encoded_bytes_max(message));
  std::visit([&out](const auto& m) { put(out, m); }, message);
  Bytes bytes = out.finish();
  ASPEN_ASSERT(!bytes.empty());
  ASPEN_ASSERT(bytes.size() <= limits::frame_payload_bytes_max);
  return bytes;
}

Result<raft::Message> decode_raft(const Bytes& bytes) {
  Decoder in(bytes);
  const std::uint8_t kind = in.u8();
  if (!in.ok()) return fail(Code::invalid_argument, "raft message: empty");
  if (kind < static_cast<std::uint8_t>(Kind::pre_vote) ||
      kind > static_cast<std::uint8_t>(Kind::timeout_now)) {
    return fail(Code::unsupported, "raft message: unknown kind", kind);
  }
  raft::Message message = take(static_cast<Kind>(kind), in);
  if (!in.done()) return fail(Code::invalid_argument, "raft message: malformed", kind);
  return message;
}

}  // namespace aspen::wire
