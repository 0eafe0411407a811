// What happened in a run, as small records: the last few hundred are kept and become text when the
// run fails; all of them go into a hash, by which two executions of a seed are compared.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "node/raft/core.h"
#include "node/raft/message.h"
#include "tests/sim/plan.h"

namespace aspen::sim {

inline constexpr std::uint8_t nobody = 255;

enum class What : std::uint8_t {
  sent,       // node -> peer, message
  received,   // node <- peer, message
  dropped,    // node -> peer, message
  booted,     // term, last, applied, commit config count
  crashed,    // kept LogIo, all waiting LogIo, applied
  paused,     // for
  resumed,    //
  io,         // id, truncate from or 0, term of the hard state or 0, first and last index appended
  durable,    // id, last index on disk
  purged,     // through
  role,       // role, term, leader
  commit,     // after, through
  applied,    // index, durable index
  granted,    // operation, index
  completed,  // operation, outcome, index, term
  invoked,    // operation, action, register, value; peer: the client
  answered,   // operation, answer, value seen; peer: the client
  fault,      // family, detail
  healed,     //
  installed,  // index, term
  asked,      // request, what: 0 change, 1 transfer; index expected, target or count of members
  config,     // index, joint, bits of voters, of outgoing, of learners
  wiped,      // new id
  snapshot,   // number, 0 asked for, 1 failed, 2 installed; at
  checked,    // hash of the core
};

struct Record {
  Time time = 0;
  What what = What::sent;
  std::uint8_t node = nobody;
  std::uint8_t peer = nobody;
  std::uint8_t message = 0;  // 1 + the message's alternative
  std::array<std::uint64_t, 5> values{};
};

// The message's fields in the order of message.h; an Append's entries as their count.
[[nodiscard]] Record record_of(What what, const raft::Message& message);
[[nodiscard]] std::string to_string(const Record& record);

class Trace {
 public:
  static constexpr std::size_t kept = 512;
  enum class Print : std::uint8_t { no, yes };

  explicit Trace(Print print) : ring_(kept), print_(print) {}

  void add(const Record& record);
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
  // The last records, oldest first, as lines.
  [[nodiscard]] std::string tail() const;

 private:
  std::vector<Record> ring_;
  std::uint64_t count_ = 0;
  std::uint64_t hash_ = 0;
  Print print_;
};

}  // namespace aspen::sim
