#include "node/replica/log_opener.h"

#include <utility>

#include "node/base/assert.h"
#include "node/kv/read_state.h"
#include "node/kv/store.h"
#include "node/snapshot/part_directory.h"

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

// The log's entry at the state's point, if it has it, is the one that was applied.
bool holds(const LogRecovered& log, const LogId& applied) {
  if (applied == log.purged || applied.index.value == 0) return true;
  if (applied.index <= log.purged.index || applied.index > log.last) return false;
  Term term;
  for (const LogTermRun& run : log.runs) {
    if (run.from <= applied.index) term = run.term;
  }
  ASPEN_ASSERT(term.value > 0);
  return term == applied.term;
}

// The state became that of a snapshot, and the log did not follow yet: so it does now. Safety:
// without the manifest that is kept for this very moment the log has lost its end, which is another
// matter.
Result<std::optional<LogBatch>> missing_reset(const LogOpener::Parts& parts,
                                              const LogRecovered& log) {
  if (parts.files == nullptr) return std::optional<LogBatch>();
  const Result<kv::State> state = kv::read_state(parts.state);
  if (!state) return tl::unexpected<Error>(state.error());
  const LogId applied = state->applied;
  if (holds(log, applied) || applied.index < log.purged.index) return std::optional<LogBatch>();
  const auto kept = snapshot::keeps_manifest_of(*parts.files, parts.snapshots, applied);
  if (!kept) return tl::unexpected<Error>(kept.error());
  if (!*kept) return std::optional<LogBatch>();
  const auto config = kv::read_config(parts.state);
  if (!config) return tl::unexpected<Error>(config.error());
  if (!config->has_value()) return fail(Code::corrupt, "a state without a configuration");
  ASPEN_ASSERT((*config)->id.index <= applied.index);
  LogBatch batch;
  batch.reset = LogReset{applied, Entry{(*config)->id, EntryKind::config, (*config)->payload}};
  if (log.hard_state.term < applied.term) batch.hard_state = HardState{applied.term, std::nullopt};
  return std::optional<LogBatch>(std::move(batch));
}

Result<std::shared_ptr<LogStore>> open_whole(const LogOpener::Parts& parts,
                                             const Identity& identity) {
  Result<std::shared_ptr<LogStore>> log = open_begun(parts.open, identity);
  if (!log) return log;
  ASPEN_ASSERT(*log != nullptr);
  const auto batch = missing_reset(parts, (*log)->recovered());
  if (!batch) return tl::unexpected<Error>(batch.error());
  if (!batch->has_value()) return log;
  if (Result<void> appended = append_durably(**log, **batch); !appended) {
    return tl::unexpected<Error>(appended.error());
  }
  log->reset();  // closed before it is opened again
  return parts.open(identity);
}

}  // namespace

void LogOpener::on(OpenLog&& message, actor::Responder<OpenedLog>&& responder, Context&) noexcept {
  Result<std::shared_ptr<LogStore>> log = open_whole(parts_, message.identity);
  if (!log) return responder.fail(log.error());
  responder.reply(OpenedLog{std::move(*log)});
}

}  // namespace aspen::replica
