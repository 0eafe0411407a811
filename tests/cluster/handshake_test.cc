#include "node/cluster/handshake.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "node/base/prng.h"
#include "tests/cluster/toy_authenticator.h"

namespace aspen::cluster {
namespace {

using wire::LinkError;
using wire::LinkUse;

constexpr ClusterId the_cluster{0xc1};

Incarnation disk(std::uint64_t n) {
  return {0xd15c, n};
}

Member member(std::uint64_t n) {
  return {.peer = {NodeId(n), disk(n)},
          .name = "n" + std::to_string(n),
          .peer_address = "host" + std::to_string(n) + ":2380",
          .client_addresses = {}};
}

LocalIdentity identity(std::uint64_t n) {
  return {the_cluster, {NodeId(n), disk(n)}, "n" + std::to_string(n)};
}

LocalIdentity empty_identity(std::uint64_t disk_number) {
  return {ClusterId(), {NodeId(), disk(disk_number)}, ""};
}

wire::Nonce nonce(std::uint8_t fill) {
  wire::Nonce value{};
  value.fill(fill);
  return value;
}

struct Side {
  LocalIdentity self;
  Config members{{member(1), member(2), member(3)}};
  ToyAuthenticator authenticator{"secret"};
  HandshakeWorld world() const { return {self, members, authenticator}; }
};

std::string framed(wire::FrameType type, const std::string& meta) {
  std::string frame;
  wire::encode_frame_head({.type = type, .group = GroupId(), .meta = meta, .payload = {}}, frame);
  return frame;
}

// Cuts `bytes` into frames and gives them to `to`; what it answers is the result.
std::string deliver(std::string_view bytes, Handshake& to) {
  std::string out;
  while (bytes.size() >= wire::frame_header_bytes && !to.over()) {
    const auto header = wire::decode_frame_header(bytes.substr(0, wire::frame_header_bytes));
    if (!header) {
      to.on_malformed(header.error(), out);
      break;
    }
    const std::size_t size_bytes = wire::frame_header_bytes + header->body_bytes();
    if (bytes.size() < size_bytes) break;
    const auto frame = wire::open_frame(*header, bytes.substr(0, size_bytes));
    if (!frame) {
      to.on_malformed(frame.error(), out);
      break;
    }
    to.on_frame(*frame, out);
    bytes.remove_prefix(size_bytes);
  }
  return out;
}

struct Meeting {
  Handshake dialler;
  Handshake acceptor;
  std::string to_acceptor;
  std::string to_dialler;
  std::vector<std::string> sent;  // all that was said, in turn

  Meeting(const Side& caller, const Side& called, LinkUse use, NodeId expected)
      : dialler(caller.world(), {LinkRole::dialler, use, expected, "called:1", nonce(7)}),
        acceptor(called.world(),
                 {LinkRole::acceptor, LinkUse::member, NodeId(), "caller:1", nonce(9)}) {
    dialler.start(to_acceptor);
  }
  void run() {
    for (int turn = 0; turn < 8; ++turn) {
      sent.push_back(to_acceptor);
      to_dialler += deliver(std::exchange(to_acceptor, {}), acceptor);
      sent.push_back(to_dialler);
      to_acceptor += deliver(std::exchange(to_dialler, {}), dialler);
    }
  }
};

Meeting meet(const Side& caller, const Side& called, NodeId expected) {
  Meeting meeting(caller, called, LinkUse::member, expected);
  meeting.run();
  return meeting;
}

TEST(Handshake, MembersWithTheSameSecretProveThemselves) {
  const Meeting meeting = meet({identity(1)}, {identity(2)}, NodeId(2));
  ASSERT_EQ(meeting.dialler.phase(), Handshake::Phase::proven);
  ASSERT_EQ(meeting.acceptor.phase(), Handshake::Phase::proven);
  EXPECT_EQ(meeting.dialler.peer()->self, member(2).peer);
  EXPECT_EQ(meeting.acceptor.peer()->self, member(1).peer);
  EXPECT_EQ(meeting.dialler.format(), wire::frame_format);
  EXPECT_EQ(meeting.acceptor.format(), wire::frame_format);
}

TEST(Handshake, UnboundMemberIsAcceptedWithAnyIncarnation) {
  Side caller{identity(1)};
  Side called{identity(2)};
  caller.members.members[1].peer.incarnation = {};
  called.members.members[0].peer.incarnation = {};
  const Meeting meeting = meet(caller, called, NodeId(2));
  EXPECT_EQ(meeting.dialler.phase(), Handshake::Phase::proven);
  EXPECT_EQ(meeting.acceptor.phase(), Handshake::Phase::proven);
}

TEST(Handshake, RequestReachesNodesWithAndWithoutCluster) {
  for (const bool placed : {false, true}) {
    const Side caller{placed ? identity(1) : empty_identity(1)};
    for (const LocalIdentity& self : {empty_identity(2), identity(2)}) {
      const Side called{self};
      Meeting meeting(caller, called, LinkUse::request, NodeId());
      meeting.run();
      EXPECT_EQ(meeting.dialler.phase(), Handshake::Phase::proven);
      EXPECT_EQ(meeting.acceptor.phase(), Handshake::Phase::proven);
      EXPECT_EQ(meeting.acceptor.use(), LinkUse::request);
      EXPECT_EQ(meeting.acceptor.peer()->cluster, ClusterId());
    }
  }
}

// Each row is one way in which two nodes must not come together: who refuses, why, and what the
// log then says.
struct Row {
  const char* name;
  Side caller;
  Side called;
  LinkError error;
  enum { dialler, acceptor } refuses;
  const char* text;
};

std::vector<Row> rows() {
  std::vector<Row> all;
  const auto row = [&all](const char* name, LinkError error, auto refuses, const char* text) {
    all.push_back({name, {identity(1)}, {identity(2)}, error, refuses, text});
    return &all.back();
  };
  row("wrong secret", LinkError::unauthenticated, Row::acceptor, "--peer-secret-file")
      ->called.authenticator = ToyAuthenticator("other");
  row("wrong cluster", LinkError::wrong_cluster, Row::acceptor, "belongs to cluster")
      ->called.self.cluster = ClusterId(0xc2);
  row("emptied directory is called", LinkError::wrong_incarnation, Row::dialler,
      "the identity of member n2 (0000000000000002) is lost")
      ->called.self = empty_identity(77);
  row("not assigned yet", LinkError::uninitialised, Row::dialler, "has not got its place yet")
      ->called.self = empty_identity(2);
  row("same id, another disk is called", LinkError::wrong_incarnation, Row::dialler,
      "replace this member")
      ->called.self.self.incarnation = disk(77);
  row("same id, another disk calls", LinkError::wrong_incarnation, Row::acceptor,
      "replace this member")
      ->caller.self.self.incarnation = disk(77);
  row("another member answers", LinkError::wrong_member, Row::dialler, "exchanged")->called.self =
      identity(3);
  row("exchanged directory answers", LinkError::wrong_member, Row::dialler, "exchanged")
      ->called.self.name = "n3";
  row("exchanged directory calls", LinkError::wrong_member, Row::acceptor, "exchanged")
      ->caller.self.name = "n3";
  row("unknown member", LinkError::unknown_member, Row::acceptor, "not a member")->caller.self =
      identity(9);
  row("self", LinkError::self, Row::acceptor, "this node itself")->called.self = identity(1);
  return all;
}

TEST(Handshake, RefusalIsTypedToldAndSaysWhatToDo) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.name);
    const Meeting meeting = meet(row.caller, row.called, NodeId(2));
    const bool by_dialler = row.refuses == Row::dialler;
    const Handshake& refuses = by_dialler ? meeting.dialler : meeting.acceptor;
    ASSERT_EQ(refuses.phase(), Handshake::Phase::refused);
    EXPECT_EQ(refuses.refusal().error, row.error);
    EXPECT_EQ(refuses.refusal().by, Refusal::By::us);
    EXPECT_NE(refuses.refusal().text.find(row.text), std::string::npos) << refuses.refusal().text;
    EXPECT_NE(refuses.refusal().reason.code, Code::ok);
  }
}

// The other side has proved itself before it is refused for what it is; it hears the reason.
TEST(Handshake, RefusedSideHearsTheReasonAndCanTrustIt) {
  Side lost{identity(2)};
  lost.self.self.incarnation = disk(77);
  const Side healthy{identity(1)};
  Meeting meeting(lost, healthy, LinkUse::member, NodeId(1));
  meeting.to_dialler = deliver(std::exchange(meeting.to_acceptor, {}), meeting.acceptor);
  meeting.to_acceptor = deliver(std::exchange(meeting.to_dialler, {}), meeting.dialler);
  const std::string last = deliver(meeting.to_acceptor, meeting.acceptor);
  ASSERT_EQ(meeting.acceptor.phase(), Handshake::Phase::refused);
  deliver(last, meeting.dialler);
  ASSERT_EQ(meeting.dialler.phase(), Handshake::Phase::proven);
  // The rest of `last`, behind the proof, is the error frame.
  const auto proof = wire::decode_frame_header(std::string_view(last).substr(0, 24));
  ASSERT_TRUE(proof);
  const std::string rest = last.substr(24 + proof->body_bytes());
  const auto header = wire::decode_frame_header(std::string_view(rest).substr(0, 24));
  ASSERT_TRUE(header);
  ASSERT_EQ(header->type, wire::FrameType::error);
  const auto error = wire::decode_error(std::string_view(rest).substr(24));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->error, LinkError::wrong_incarnation);
  const Refusal told = refusal_of(*error, "host1:2380", nullptr);
  EXPECT_NE(told.text.find("replace this member"), std::string::npos);
}

TEST(Handshake, UninitialisedAnswerOfAnotherDiskMeansALostIdentity) {
  const Member expected = member(2);
  const wire::ErrorFrame same{LinkError::uninitialised, 0, expected.peer.incarnation};
  const wire::ErrorFrame other{LinkError::uninitialised, 0, disk(77)};
  EXPECT_EQ(refusal_of(same, "host2:2380", &expected).error, LinkError::uninitialised);
  EXPECT_EQ(refusal_of(other, "host2:2380", &expected).error, LinkError::wrong_incarnation);
  EXPECT_EQ(refusal_of(other, "host2:2380", nullptr).error, LinkError::uninitialised);
}

TEST(Handshake, NewerFormatIsNamedFromTheHelloAndFromTheFrame) {
  const Side called{identity(2)};
  wire::Hello newer;
  newer.format_min = 2;
  newer.format_max = 3;
  newer.self = member(1).peer;
  newer.cluster = the_cluster;
  std::string frame = framed(wire::FrameType::hello, encode(newer));
  for (const bool header_too : {false, true}) {
    Handshake acceptor(called.world(),
                       {LinkRole::acceptor, LinkUse::member, NodeId(), "caller:1", nonce(9)});
    if (header_too) frame[6] = 2;
    const std::string answer = deliver(frame, acceptor);
    ASSERT_EQ(acceptor.phase(), Handshake::Phase::refused);
    EXPECT_EQ(acceptor.refusal().error, LinkError::newer_format);
    const auto error = wire::decode_error(std::string_view(answer).substr(24));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->error, LinkError::newer_format);
  }
}

// An attacker who recorded a whole handshake replays the dialler's half to a fresh acceptor.
TEST(Handshake, ReplayedProofIsRefused) {
  const Side caller{identity(1)};
  const Side called{identity(2)};
  const Meeting recorded = meet(caller, called, NodeId(2));
  Handshake acceptor(called.world(),
                     {LinkRole::acceptor, LinkUse::member, NodeId(), "caller:1", nonce(10)});
  for (std::size_t i = 0; i < recorded.sent.size() && !acceptor.over(); i += 2) {
    deliver(recorded.sent[i], acceptor);
  }
  ASSERT_EQ(acceptor.phase(), Handshake::Phase::refused);
  EXPECT_EQ(acceptor.refusal().error, LinkError::unauthenticated);
}

// An attacker without the secret sends back to a dialler what the dialler itself has sent: its own
// hello with another incarnation, then its own proof.
TEST(Handshake, ReflectedHelloAndProofAreRefused) {
  const Side caller{identity(1)};
  Handshake echoed(caller.world(), {LinkRole::dialler, LinkUse::member, NodeId(2), "x", nonce(1)});
  std::string hello;
  echoed.start(hello);
  deliver(hello, echoed);
  ASSERT_EQ(echoed.phase(), Handshake::Phase::refused);
  EXPECT_EQ(echoed.refusal().error, LinkError::self);

  Handshake dialler(caller.world(), {LinkRole::dialler, LinkUse::member, NodeId(2), "x", nonce(1)});
  std::string ignored;
  dialler.start(ignored);
  wire::Hello forged;
  forged.cluster = the_cluster;
  forged.self = member(2).peer;
  forged.nonce = nonce(1);
  forged.name = "n2";
  const std::string proof = deliver(framed(wire::FrameType::hello, encode(forged)), dialler);
  ASSERT_EQ(dialler.phase(), Handshake::Phase::proof);
  deliver(proof, dialler);
  ASSERT_EQ(dialler.phase(), Handshake::Phase::refused);
  EXPECT_EQ(dialler.refusal().error, LinkError::unauthenticated);
}

TEST(Handshake, DeadlineEndsItWithAReason) {
  const Side called{identity(2)};
  Handshake acceptor(called.world(),
                     {LinkRole::acceptor, LinkUse::member, NodeId(), "caller:1", nonce(9)});
  std::string out;
  acceptor.expire(out);
  EXPECT_EQ(acceptor.refusal().error, LinkError::timed_out);
  EXPECT_FALSE(out.empty());
}

// Every single byte of both halves is changed in turn: nobody may be proven on both sides, because
// the bytes are checked by the frame or are part of what is proved.
TEST(Handshake, AnyChangedByteIsNoticed) {
  const Side caller{identity(1)};
  const Side called{identity(2)};
  for (int half = 0; half < 4; ++half) {
    for (std::size_t at = 0;; ++at) {
      Meeting meeting(caller, called, LinkUse::member, NodeId(2));
      bool changed = false;
      for (int turn = 0; turn < 4; ++turn) {
        std::string& sent = turn % 2 == 0 ? meeting.to_acceptor : meeting.to_dialler;
        std::string& answer = turn % 2 == 0 ? meeting.to_dialler : meeting.to_acceptor;
        if (turn == half && at < sent.size()) {
          sent[at] = static_cast<char>(sent[at] ^ 0x21);
          changed = true;
        }
        answer +=
            deliver(std::exchange(sent, {}), turn % 2 == 0 ? meeting.acceptor : meeting.dialler);
      }
      if (!changed) break;
      EXPECT_FALSE(meeting.dialler.phase() == Handshake::Phase::proven &&
                   meeting.acceptor.phase() == Handshake::Phase::proven)
          << "half " << half << " byte " << at;
    }
  }
}

// Random frames of valid shape in random order never get a handshake to `proven`.
TEST(Handshake, NonsenseNeverProves) {
  Prng prng(20261124);
  for (int round = 0; round < 20'000; ++round) {
    const Side called{identity(2)};
    Handshake acceptor(called.world(),
                       {LinkRole::acceptor, LinkUse::member, NodeId(), "caller:1", nonce(9)});
    for (int i = 0; i < 4 && !acceptor.over(); ++i) {
      std::string meta(prng.below(120), '\0');
      for (char& c : meta) c = static_cast<char>(prng.next());
      if (prng.chance(1, 2)) {
        wire::Hello hello;
        hello.cluster = ClusterId(prng.below(2) * 0xc1);
        hello.self = {NodeId(hello.cluster ? 1 + prng.below(4) : 0), disk(prng.below(4))};
        meta = encode(hello);
      }
      const auto type = static_cast<wire::FrameType>(1 + prng.below(wire::frame_type_max));
      deliver(framed(type, meta), acceptor);
    }
    ASSERT_NE(acceptor.phase(), Handshake::Phase::proven) << "round " << round;
  }
}

}  // namespace
}  // namespace aspen::cluster
