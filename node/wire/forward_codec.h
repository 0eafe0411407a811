// A client's proposal on its way from the node that accepted it to the leader, and the leader's
// refusal. Success needs no answer: the node that accepted it sees its own entry being applied.
// Payloads of casts `cast_forward` and `cast_forward_reply`; pure.
//
// Possible errors of the decoders: invalid_argument (malformed or out of limits).
#pragma once

#include <cstdint>
#include <string_view>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"

namespace aspen::wire {

// The leader accepts it in this term only: once an entry of a later term is applied, a proposal
// that was not applied before never will be.
struct Forward {
  Term term;
  std::uint64_t origin = 0;    // the sender's boot
  std::uint64_t sequence = 0;  // unique in that boot
  Bytes request;               // an encoded kv request
};

struct ForwardReply {
  Term term;  // of the Forward
  std::uint64_t origin = 0;
  std::uint64_t sequence = 0;
  Code code = Code::ok;  // why it never entered the log
};

[[nodiscard]] Bytes encode(const Forward& forward);
[[nodiscard]] Bytes encode(const ForwardReply& reply);
// The request shares the memory of `bytes`.
[[nodiscard]] Result<Forward> decode_forward(const Bytes& bytes);
[[nodiscard]] Result<ForwardReply> decode_forward_reply(const Bytes& bytes);

}  // namespace aspen::wire
