#include "tests/sim/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <type_traits>

#include "node/base/assert.h"
#include "tests/sim/model_state.h"

namespace aspen::sim {

namespace {

using Values = std::array<std::uint64_t, 5>;

Values values_of(const raft::PreVote& m) {
  return {m.term.value, m.last.term.value, m.last.index.value};
}
Values values_of(const raft::PreVoteReply& m) {
  return {m.term.value, m.granted ? 1U : 0U};
}
Values values_of(const raft::Vote& m) {
  return {m.term.value, m.last.term.value, m.last.index.value, m.transfer ? 1U : 0U};
}
Values values_of(const raft::VoteReply& m) {
  return {m.term.value, m.granted ? 1U : 0U};
}
Values values_of(const raft::Append& m) {
  return {m.term.value, m.prev.term.value, m.prev.index.value, m.entries.size(), m.commit.value};
}
Values values_of(const raft::AppendReply& m) {
  return {m.term.value, m.epoch.value, m.accepted ? 1U : 0U, m.match.value, m.conflict_term.value};
}
Values values_of(const raft::Heartbeat& m) {
  return {m.term.value, m.commit.value, m.read.value, m.epoch.value};
}
Values values_of(const raft::HeartbeatReply& m) {
  return {m.term.value, m.epoch.value, m.read.value, m.match.value};
}
Values values_of(const raft::ReadIndex& m) {
  return {m.term.value, m.context};
}
Values values_of(const raft::ReadIndexReply& m) {
  return {m.term.value, m.context, m.granted ? 1U : 0U, m.index.value};
}
Values values_of(const raft::TimeoutNow& m) {
  return {m.term.value};
}

std::string message_text(const Record& r) {
  const auto& v = r.values;
  switch (r.message) {
    case 1:
      return fmt::format("PreVote term {} last {}.{}", v[0], v[1], v[2]);
    case 2:
      return fmt::format("PreVoteReply term {} {}", v[0], v[1] != 0 ? "granted" : "refused");
    case 3:
      return fmt::format("Vote term {} last {}.{}{}", v[0], v[1], v[2],
                         v[3] != 0 ? " by transfer" : "");
    case 4:
      return fmt::format("VoteReply term {} {}", v[0], v[1] != 0 ? "granted" : "refused");
    case 5:
      return fmt::format("Append term {} prev {}.{} +{} commit {}", v[0], v[1], v[2], v[3], v[4]);
    case 6:
      return fmt::format("AppendReply term {} epoch {} {} match {} conflict {}", v[0], v[1],
                         v[2] != 0 ? "accepted" : "refused", v[3], v[4]);
    case 7:
      return fmt::format("Heartbeat term {} commit {} read {} epoch {}", v[0], v[1], v[2], v[3]);
    case 8:
      return fmt::format("HeartbeatReply term {} epoch {} read {} match {}", v[0], v[1], v[2],
                         v[3]);
    case 9:
      return fmt::format("ReadIndex term {} context {}", v[0], v[1]);
    case 10:
      return fmt::format("ReadIndexReply term {} context {} {} index {}", v[0], v[1],
                         v[2] != 0 ? "granted" : "refused", v[3]);
    case 11:
      return fmt::format("TimeoutNow term {}", v[0]);
    default:
      return "?";
  }
}

const char* role_text(std::uint64_t role) {
  constexpr std::array<const char*, 4> names{"follower", "pre-candidate", "candidate", "leader"};
  return names[role % names.size()];
}

const char* outcome_text(std::uint64_t outcome) {
  constexpr std::array<const char*, 4> names{"committed", "refused", "overwritten", "unknown"};
  return names[outcome % names.size()];
}

const char* action_text(std::uint64_t action) {
  constexpr std::array<const char*, 3> names{"read", "write", "swap"};
  return names[action % names.size()];
}

const char* answer_text(std::uint64_t answer) {
  constexpr std::array<const char*, 4> names{"unknown", "done", "mismatch", "not done"};
  return names[answer % names.size()];
}

std::string event_text(const Record& r) {
  const auto& v = r.values;
  switch (r.what) {
    case What::sent:
      return fmt::format("-> n{} {}", r.peer, message_text(r));
    case What::received:
      return fmt::format("<- n{} {}", r.peer, message_text(r));
    case What::dropped:
      return fmt::format("-x n{} {}", r.peer, message_text(r));
    case What::booted:
      return fmt::format("boots: term {}, last {}, purged {}, applied {}", v[0], v[1], v[2], v[3]);
    case What::crashed:
      return fmt::format("crashes: {} of {} LogIo kept, applied {}", v[0], v[1], v[2]);
    case What::paused:
      return fmt::format("stops for {} us", v[0]);
    case What::resumed:
      return "goes on";
    case What::io:
      return fmt::format("LogIo {}: truncate from {}, hard state term {}, append {}..{}", v[0],
                         v[1], v[2], v[3], v[4]);
    case What::durable:
      return fmt::format("LogIo {} durable, term {}, last {}", v[0], v[1], v[2]);
    case What::purged:
      return fmt::format("purges to {}", v[0]);
    case What::role:
      return fmt::format("is {} in term {}, leader n{}", role_text(v[0]), v[1],
                         static_cast<std::int64_t>(v[2]) - 1);
    case What::commit:
      return fmt::format("commits ({}, {}]", v[0], v[1]);
    case What::applied:
      return fmt::format("applied {}, durable {}", v[0], v[1]);
    case What::granted:
      return fmt::format("grants read of operation {} at {}", v[0], v[1]);
    case What::completed:
      return fmt::format("completes operation {}: {} {}.{}", v[0], outcome_text(v[1]), v[3], v[2]);
    case What::invoked:
      return fmt::format("<= client {} operation {}: {} register {} value {}", r.peer, v[0],
                         action_text(v[1]), v[2], v[3]);
    case What::answered:
      return fmt::format("=> client {} operation {}: {}, sees {}", r.peer, v[0], answer_text(v[1]),
                         v[2]);
    case What::fault:
      return fmt::format("fault: {} ({}, {} us)", to_string(static_cast<Family>(v[0])), v[1], v[2]);
    case What::healed:
      return "everything heals";
    case What::installed:
      return fmt::format("switches to a snapshot at {}.{}", v[1], v[0]);
    case What::asked:
      return fmt::format("is asked to {} ({}), expects {}, {}", v[1] == 0 ? "change" : "hand over",
                         v[0] & 0xffffffffU, v[2], v[3]);
    case What::config:
      return fmt::format("configuration {} of {}: voters {:b}, outgoing {:b}, learners {:b}",
                         v[1] != 0 ? "joint" : "at rest", v[0], v[2], v[3], v[4]);
    case What::snapshot: {
      constexpr std::array<const char*, 3> ends{"is asked for", "fails", "is installed"};
      return fmt::format("snapshot {} at {} {}", v[0], v[2], ends[v[1] % ends.size()]);
    }
    case What::wiped:
      return fmt::format("has lost its disk, is {:x} now", v[0]);
    case What::checked:
      return fmt::format("core hash {:016x}", v[0]);
  }
  ASPEN_UNREACHABLE();
}

}  // namespace

Record record_of(What what, const raft::Message& message) {
  Record r;
  r.what = what;
  r.message = static_cast<std::uint8_t>(message.index() + 1);
  r.values = std::visit([](const auto& m) { return values_of(m); }, message);
  return r;
}

std::string to_string(const Record& record) {
  const std::string who =
      record.node == nobody ? std::string("  ") : fmt::format("n{}", record.node);
  return fmt::format("{:>12.6f} {} {}", static_cast<double>(record.time) / second, who,
                     event_text(record));
}

void Trace::add(const Record& record) {
  const std::uint64_t head = (static_cast<std::uint64_t>(record.what) << 24U) |
                             (std::uint64_t{record.node} << 16U) |
                             (std::uint64_t{record.peer} << 8U) | record.message;
  hash_ = fold(fold(hash_, record.time), head);
  for (const std::uint64_t value : record.values) hash_ = fold(hash_, value);
  ring_[count_++ % kept] = record;
  if (print_ == Print::yes) std::printf("%s\n", to_string(record).c_str());
}

std::string Trace::tail() const {
  std::string text;
  const std::uint64_t shown = std::min<std::uint64_t>(count_, kept);
  for (std::uint64_t i = count_ - shown; i < count_; ++i) {
    text += to_string(ring_[i % kept]);
    text += '\n';
  }
  return text;
}

}  // namespace aspen::sim
