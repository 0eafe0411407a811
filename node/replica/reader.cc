#include "node/replica/reader.h"

#include <utility>

#include "node/base/assert.h"
#include "node/replica/bounded_view.h"
#include "node/replica/errors.h"

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

void Reader::on(ScanRead&& message, Context& context) noexcept {
  ASPEN_ASSERT(message.state != nullptr);
  const Instant start = parts_.clock.now();
  const Instant deadline = message.read.deadline;
  const auto halt = [this, &context, deadline]() -> std::optional<Error> {
    if (context.stop_wanted()) return error_stopping;
    if (deadline <= parts_.clock.now()) return error_late;
    return std::nullopt;
  };
  if (const std::optional<Error> late = halt()) return message.read.responder.fail(*late);
  const Result<kv::Snapshot> snapshot =
      kv::Snapshot::open(std::make_unique<BoundedView>(std::move(message.state), halt));
  if (!snapshot) return message.read.responder.fail(snapshot.error());
  ASPEN_ASSERT(snapshot->revision() == message.header.revision);
  Result<ReadResult> result = execute(message.read.operation, *snapshot);
  if (parts_.clock.now() - start > slow_read) slow_reads_.add(1);
  if (!result) return message.read.responder.fail(result.error());
  message.read.responder.reply(ReadReply{message.header, std::move(*result)});
}

}  // namespace aspen::replica
