#include "node/wire/forward_codec.h"

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::wire {

namespace {
constexpr std::size_t head_bytes = 24;

void put_head(Writer& out, Term term, std::uint64_t origin, std::uint64_t sequence) {
  out.u64(term.value).u64(origin).u64(sequence);
  ASPEN_ASSERT(out.size() == head_bytes);
}
}  // namespace

Bytes encode(const Forward& forward) {
  ASPEN_ASSERT(forward.request.size() <= limits::entry_bytes_max);
  Writer head;
  put_head(head, forward.term, forward.origin, forward.sequence);
  BytesBuilder out(head.size() + forward.request.size());
  out.append(head.view());
  out.append(forward.request.view());
  return out.finish();
}

Bytes encode(const ForwardReply& reply) {
  ASPEN_ASSERT(reply.code != Code::ok);
  Writer out;
  put_head(out, reply.term, reply.origin, reply.sequence);
  out.u8(static_cast<std::uint8_t>(reply.code));
  return Bytes(out.view());
}

Result<Forward> decode_forward(const Bytes& bytes) {
  if (bytes.size() <= head_bytes || bytes.size() > head_bytes + limits::entry_bytes_max) {
    return fail(Code::invalid_argument, "forward: malformed", bytes.size());
  }
  Reader in(bytes.view());
  Forward forward;
  forward.term = Term(in.u64());
  forward.origin = in.u64();
  forward.sequence = in.u64();
  forward.request = bytes.slice(head_bytes, bytes.size() - head_bytes);
  ASPEN_ASSERT(in.ok());
  return forward;
}

Result<ForwardReply> decode_forward_reply(const Bytes& bytes) {
  Reader in(bytes.view());
  ForwardReply reply;
  reply.term = Term(in.u64());
  reply.origin = in.u64();
  reply.sequence = in.u64();
  const std::uint8_t code = in.u8();
  if (!in.done()) return fail(Code::invalid_argument, "forward reply: malformed");
  // Only refusals travel; a code that this version does not know is a refusal all the same.
  const bool known = certainly_not_applied(static_cast<Code>(code));
  reply.code = known ? static_cast<Code>(code) : Code::unavailable;
  return reply;
}

}  // namespace aspen::wire
