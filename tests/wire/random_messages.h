// Random well-formed Raft messages, and random damage to bytes.
#pragma once

#include <string>

#include "node/base/assert.h"
#include "node/base/prng.h"
#include "node/raft/message.h"

namespace aspen::wire {

// A number of random magnitude, so that every length of a varint occurs.
inline std::uint64_t any_number(Prng& prng) {
  return prng.next() >> (2 + prng.below(62));
}

inline Bytes any_payload(Prng& prng, std::size_t bytes_max) {
  std::string text(prng.below(bytes_max + 1), '\0');
  for (char& c : text) c = static_cast<char>(prng.next());
  return Bytes(text);
}

inline raft::Append any_append(Prng& prng) {
  raft::Append m;
  m.prev = LogId{Term(1 + prng.below(1000)), Index(any_number(prng))};
  LogId last = m.prev;
  const std::uint64_t count = prng.below(20);
  for (std::uint64_t i = 0; i < count; ++i) {
    last = LogId{Term(last.term.value + prng.below(2)), last.index + 1};
    m.entries.push_back({last, static_cast<EntryKind>(prng.below(3)), any_payload(prng, 300)});
  }
  m.term = Term(last.term.value + prng.below(3));
  m.commit = Index(any_number(prng));
  m.epoch = raft::Epoch(any_number(prng));
  return m;
}

inline raft::Message any_message(Prng& prng) {
  const auto number = [&prng] { return any_number(prng); };
  const Term term(1 + (number() >> 1U));
  const LogId last{Term(number()), Index(number())};
  const bool flag = prng.chance(1, 2);
  switch (prng.below(11)) {
    case 0:
      return raft::PreVote{term, last};
    case 1:
      return raft::PreVoteReply{Term(number()), flag};
    case 2:
      return raft::Vote{term, last, flag};
    case 3:
      return raft::VoteReply{Term(number()), flag};
    case 4:
      return any_append(prng);
    case 5:
      return raft::AppendReply{term,           raft::Epoch(number()), flag, Index(number()),
                               Term(number()), Index(number())};
    case 6:
      return raft::Heartbeat{term, Index(number()), raft::ReadId(number()), raft::Epoch(number()),
                             Index(number())};
    case 7:
      return raft::HeartbeatReply{term, raft::Epoch(number()), raft::ReadId(number()),
                                  Index(number())};
    case 8:
      return raft::TimeoutNow{term};
    case 9:
      return raft::ReadIndex{term, number()};
    default:
      return raft::ReadIndexReply{term, number(), flag, Index(number())};
  }
}

// Flips, cuts, inserts or repeats something.
inline std::string damaged(Prng& prng, std::string bytes) {
  const std::uint64_t times = 1 + prng.below(4);
  for (std::uint64_t i = 0; i < times; ++i) {
    if (bytes.empty()) return bytes;
    const std::size_t at = prng.below(bytes.size());
    switch (prng.below(4)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1U << prng.below(8)));
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.insert(at, 1, static_cast<char>(prng.next()));
        break;
      default:
        bytes[at] = static_cast<char>(0xff);
        break;
    }
  }
  return bytes;
}

}  // namespace aspen::wire
