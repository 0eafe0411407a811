#include "node/replica/log_opener.h"

#include <utility>

#include "node/base/assert.h"

namespace aspen::replica {

namespace {

// Every founder begins with the same first entry: the membership that Init listed.
constexpr LogId bootstrap_id{Term(1), Index(1)};

// Who joins later gets it from the leader, as the log it joins may begin behind it.
LogBatch bootstrap_batch(const Identity& identity) {
  LogBatch batch;
  batch.hard_state = HardState{bootstrap_id.term, std::nullopt};
  if (identity.joined) return batch;
  ASPEN_ASSERT(!identity.bootstrap.empty());
  batch.entries.push_back(
      Entry{bootstrap_id, EntryKind::config, Bytes(encode(identity.bootstrap))});
  return batch;
}

Result<void> append_durably(LogStore& log, const LogBatch& batch) {
  if (Result<void> appended = log.append(batch); !appended) return appended;
  Result<void> synced = fail(Code::io_error, "the log did not answer");
  log.sync([&synced](Result<void> result) { synced = result; });
  return synced;
}

// An empty log gets its first entry, once; a crash before that is durable leaves it empty again.
// Safety: a log that is empty although it was begun has lost what it promised.
Result<std::shared_ptr<LogStore>> open_begun(const LogOpener::Open& open,
                                             const Identity& identity) {
  ASPEN_ASSERT(identity.initialised());
  Result<std::shared_ptr<LogStore>> log = open(identity);
  if (!log) return log;
  ASPEN_ASSERT(*log != nullptr);
  const LogRecovered& recovered = (*log)->recovered();
  const bool fresh = recovered.last == Index() && recovered.hard_state == HardState{};
  if (!fresh) return log;
  if (identity.started) {
    return fail(Code::corrupt, "the log is empty but was not: replace this member");
  }
  Result<void> appended = append_durably(**log, bootstrap_batch(identity));
  if (!appended) return tl::unexpected<Error>(appended.error());
  log->reset();  // closed before it is opened again
  return open(identity);
}

}  // namespace

void LogOpener::on(OpenLog&& message, actor::Responder<OpenedLog>&& responder, Context&) noexcept {
  Result<std::shared_ptr<LogStore>> log = open_begun(open_, message.identity);
  if (!log) return responder.fail(log.error());
  responder.reply(OpenedLog{std::move(*log)});
}

}  // namespace aspen::replica
