// How a replica comes up: from an empty directory with a place in a cluster, or from its disk.
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/store.h"
#include "node/replica/applier.h"
#include "node/replica/gauges.h"
#include "node/replica/log_reader.h"
#include "node/replica/log_writer.h"
#include "node/replica/raft_actor.h"
#include "node/replica/reader.h"

namespace aspen::replica {

namespace {

constexpr Duration tick_interval = std::chrono::milliseconds(10);

// Few, as an entry may be large. The log frees whole segments anyway, and what may go grows by
// flushes of the state.
constexpr std::uint64_t purge_entries = 64;
static_assert(purge_entries * limits::entry_bytes_max <= 2 * limits::unflushed_bytes_max);

// Every member begins with the same first entry: the membership that Init listed.
constexpr LogId bootstrap_id{Term(1), Index(1)};

LogBatch bootstrap_batch(const Config& config) {
  LogBatch batch;
  batch.hard_state = HardState{bootstrap_id.term, std::nullopt};
  batch.entries.push_back(Entry{bootstrap_id, EntryKind::config, Bytes(encode(config))});
  return batch;
}

Result<void> append_durably(LogStore& log, const LogBatch& batch) {
  if (Result<void> appended = log.append(batch); !appended) return appended;
  Result<void> synced = fail(Code::io_error, "the log did not answer");
  log.sync([&synced](Result<void> result) { synced = result; });
  return synced;
}

Result<raft::LoggedConfig> to_logged(const Entry& entry) {
  ASPEN_ASSERT(entry.kind == EntryKind::config);
  Result<Config> config = decode_config(entry.payload.view());
  if (!config) return tl::unexpected<Error>(config.error());
  return raft::LoggedConfig{entry.id, std::move(*config)};
}

std::uint32_t ticks_of(Duration duration) {
  const auto ticks = duration / tick_interval;
  return static_cast<std::uint32_t>(ticks < 1 ? 1 : ticks);
}

}  // namespace

RaftActor::RaftActor(const ReplicaPorts& ports, const ReplicaOptions& options)
    : ports_(ports),
      options_(options),
      gauges_(std::make_unique<Gauges>(ports.telemetry)),
      proposals_(limits::requests_pending_max, 1, limits::proposals_bytes_max),
      reads_(limits::requests_pending_max, 1, limits::reads_bytes_max),
      foreign_(limits::requests_pending_max) {
  register_absent(ports.telemetry);
  register_early(ports.telemetry);
}

RaftActor::~RaftActor() = default;

Result<void> RaftActor::pre_start(Context& context) noexcept {
  Result<Identity> identity = ports_.identity.load();
  if (!identity) {
    ports_.fatal.fail("identity", identity.error());
    return tl::unexpected<Error>(identity.error());
  }
  identity_ = std::move(*identity);
  tick_ = context.every(tick_interval, RaftTick{});
  if (!identity_.initialised()) {
    publish_health();
    return {};
  }
  return boot(context);
}

void RaftActor::on(Initialised&& message, Context& context) noexcept {
  if (core_.has_value()) return;
  Result<Identity> identity = ports_.identity.load();
  if (!identity || !identity->initialised()) {
    return ports_.fatal.fail(
        "identity", identity ? Error{Code::corrupt, "the identity is gone"} : identity.error());
  }
  identity_ = std::move(*identity);
  if (!boot(context)) return;
  if (message.campaign) core_->step(raft::Campaign{});
}

Result<void> RaftActor::boot(Context& context) noexcept {
  ASPEN_ASSERT(identity_.initialised());
  ASPEN_ASSERT(!core_.has_value());
  boot_ = ports_.entropy.u64();
  Result<std::shared_ptr<LogStore>> log = open_log();
  if (!log) {
    ports_.fatal.fail("log", log.error());
    return tl::unexpected<Error>(log.error());
  }
  log_ = std::move(*log);
  Result<raft::BootState> state = recover();
  if (!state) {
    ports_.fatal.fail("log", state.error());
    return tl::unexpected<Error>(state.error());
  }
  measure_disk();
  const Index last = state->last;
  core_.emplace(std::move(*state));
  soft_ = core_->soft();
  spawn_children(context);
  on_config(core_->config());
  ports_.log.info(
      "raft", "replica started",
      {{"node", identity_.self.id}, {"term", soft_.term}, {"last", last}, {"applied", applied_}});
  publish_health();
  return {};
}

// An empty log gets its first entry, once; a crash before that is durable leaves it empty again.
// Safety: once that is durable the identity says so, before this node votes. A log that is empty
// or missing after that has lost what it promised.
Result<std::shared_ptr<LogStore>> RaftActor::open_log() noexcept {
  Result<std::shared_ptr<LogStore>> log = ports_.open_log(identity_);
  if (!log) return log;
  const LogRecovered& recovered = (*log)->recovered();
  const bool fresh = recovered.last == Index() && recovered.hard_state == HardState{};
  if (fresh && identity_.started) {
    return fail(Code::corrupt, "the log is empty but was not: replace this member");
  }
  if (fresh) {
    Result<void> appended = append_durably(**log, bootstrap_batch(identity_.bootstrap));
    if (!appended) return tl::unexpected<Error>(appended.error());
  }
  if (!identity_.started) {
    identity_.started = true;
    Result<void> saved = ports_.identity.save(identity_);
    if (!saved) return tl::unexpected<Error>(saved.error());
  }
  if (!fresh) return log;
  log->reset();  // closed before it is opened again
  return ports_.open_log(identity_);
}

Result<raft::BootState> RaftActor::recover() noexcept {
  const LogRecovered& recovered = log_->recovered();
  raft::BootState boot;
  boot.self = identity_.self;
  boot.hard_state = recovered.hard_state;
  boot.purged = recovered.purged;
  for (const LogTermRun& run : recovered.runs) boot.runs.push_back({run.from, run.term});
  boot.last = recovered.last;
  boot.seed = ports_.entropy.u64();
  boot.tuning.election_ticks_min = ticks_of(options_.election_timeout);
  boot.tuning.heartbeat_ticks = ticks_of(options_.heartbeat_interval);
  boot.tuning.purge_entries = purge_entries;
  std::vector<Entry> configs = recovered.config_entries;
  if (recovered.config_at_purge) configs.insert(configs.begin(), *recovered.config_at_purge);
  for (const Entry& entry : configs) {
    Result<raft::LoggedConfig> logged = to_logged(entry);
    if (!logged) return tl::unexpected<Error>(logged.error());
    boot.configs.push_back(std::move(*logged));
  }
  if (Result<void> valid = boot.tuning.validate(); !valid) {
    return tl::unexpected<Error>(valid.error());
  }
  const Result<kv::Store> store = kv::Store::open(ports_.state);
  if (!store) return tl::unexpected<Error>(store.error());
  // After a restart inside the process the store still holds what it has not written to its disk.
  const Result<LogId> durable = store->applied_durable();
  if (!durable) return tl::unexpected<Error>(durable.error());
  boot.applied = store->applied().index;
  boot.durable = durable->index;
  if (boot.applied < boot.purged.index || boot.applied > boot.last) {
    return fail(Code::corrupt, "the state and the log do not belong together: replace this member",
                boot.applied.value);
  }
  applied_ = boot.applied;
  handed_over_through_ = boot.applied;
  revision_ = store->revision();
  return boot;
}

void RaftActor::spawn_children(Context& context) noexcept {
  // A child that ends takes the replica with it: all are rebuilt from disk together.
  const auto child = [](std::size_t worker) {
    actor::ChildOptions options;
    options.restart = actor::Restart::permanent;
    options.restarts_max = 0;
    options.mailbox_capacity = limits::replica_mailbox_max;
    options.worker = worker;
    return options;
  };
  log_writer_ = context.spawn<LogWriter>(
      child(options_.log_worker),
      LogWriter::Parts{log_, context.self(), boot_, ports_.clock, ports_.fatal, ports_.telemetry});
  log_reader_ = context.spawn<LogReader>(child(options_.log_read_worker),
                                         LogReader::Parts{log_, context.self(), boot_});
  reader_ = context.spawn<Reader>(child(options_.read_worker),
                                  Reader::Parts{ports_.clock, ports_.telemetry});
  applier_ = context.spawn<Applier>(
      child(options_.state_worker),
      Applier::Parts{log_, ports_.state, context.self(), boot_, reader_, ports_.clock, ports_.fatal,
                     ports_.telemetry, ports_.free_bytes, identity_.cluster, identity_.self.id});
}

}  // namespace aspen::replica
