#include "node/replica/reader.h"

#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::replica {

namespace {

template <class T>
Result<ReadResult> widen(Result<T>&& result) {
  if (!result) return tl::unexpected<Error>(result.error());
  return ReadResult(std::move(*result));
}

struct Execute {
  const kv::Snapshot& snapshot;
  Result<ReadResult> operator()(const kv::RangeRequest& request) const {
    return widen(snapshot.range(request));
  }
  Result<ReadResult> operator()(const kv::TxnRequest& request) const {
    return widen(snapshot.txn(request));
  }
  Result<ReadResult> operator()(const HashKvRead& read) const {
    return widen(snapshot.hash_kv(read.revision));
  }
  Result<ReadResult> operator()(const HashRead&) const { return widen(snapshot.hash()); }
  Result<ReadResult> operator()(const MembersRead&) const { ASPEN_UNREACHABLE(); }
};

}  // namespace

Result<ReadResult> execute(const ReadOperation& operation, const kv::Snapshot& snapshot) {
  return std::visit(Execute{snapshot}, operation);
}

void Reader::on(ScanRead&& message, Context&) noexcept {
  ASPEN_ASSERT(message.snapshot != nullptr);
  const Instant start = parts_.clock.now();
  Result<ReadResult> result = execute(message.read.operation, *message.snapshot);
  if (parts_.clock.now() - start > slow_read) slow_reads_.add(1);
  if (!result) return message.read.responder.fail(result.error());
  message.read.responder.reply(ReadReply{message.header, std::move(*result)});
}

void Reader::on(ReadLog&& message, Context&) noexcept {
  const raft::AppendSpec& spec = message.spec;
  ASPEN_ASSERT(spec.lo <= spec.hi);
  // As much as one append may hold: the peer's answer says how far it came.
  Result<std::vector<Entry>> entries = parts_.log->read(spec.lo, spec.hi, limits::append_bytes_max);
  if (!entries || entries->empty()) return;  // purged or truncated meanwhile: the core asks anew
  ASPEN_ASSERT(entries->front().id.index == spec.lo);
  ASPEN_ASSERT(entries->back().id.index <= spec.hi);
  ASPEN_MAYBE(
      parts_.raft.tell(LogRead{parts_.boot, message.to, spec, std::move(*entries)}).has_value());
}

}  // namespace aspen::replica
