// How a replica comes up: from an empty directory with a place in a cluster, or from its disk.
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/store.h"
#include "node/replica/applier.h"
#include "node/replica/gauges.h"
#include "node/replica/log_opener.h"
#include "node/replica/log_reader.h"
#include "node/replica/log_writer.h"
#include "node/replica/raft_actor.h"
#include "node/replica/reader.h"

namespace aspen::replica {

namespace {

constexpr Duration tick_interval = std::chrono::milliseconds(10);
constexpr Duration open_again_delay = std::chrono::seconds(1);
// For ever: a log is as long as it is.
constexpr Duration open_timeout = std::chrono::hours(24 * 365);

// Few, as an entry may be large. The log frees whole segments anyway, and what may go grows by
// flushes of the state.
constexpr std::uint64_t purge_entries = 64;
static_assert(purge_entries * limits::entry_bytes_max <= 2 * limits::unflushed_bytes_max);

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

// A child that ends takes the replica with it: all are rebuilt from disk together.
actor::ChildOptions child(const char* name, std::size_t worker) {
  actor::ChildOptions options;
  options.name = name;
  options.restart = actor::Restart::permanent;
  options.restarts_max = 0;
  options.mailbox_capacity = limits::replica_mailbox_max;
  options.worker = worker;
  return options;
}

// One that keeps nothing between two messages is started again alone: no leadership is lost for it.
actor::ChildOptions child_alone(const char* name, std::size_t worker) {
  actor::ChildOptions options = child(name, worker);
  options.restarts_max = actor::ChildOptions{}.restarts_max;
  return options;
}

}  // namespace

RaftActor::RaftActor(const ReplicaPorts& ports, const ReplicaOptions& options)
    : ports_(ports),
      options_(options),
      gauges_(std::make_unique<Gauges>(ports.telemetry)),
      proposals_(limits::requests_pending_max, 1, limits::proposals_bytes_max),
      reads_(limits::requests_pending_max, 1, limits::reads_bytes_max),
      foreign_(limits::requests_pending_max),
      controls_(limits::controls_pending_max),
      served_controls_(limits::controls_pending_max) {
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
  self_ = context.self();
  tick_ = context.every(tick_interval, RaftTick{});
  if (!identity_.initialised() || identity_.removed) {
    publish_health();
    return {};
  }
  boot(context);
  return {};
}

void RaftActor::on(Initialised&& message, Context& context) noexcept {
  if (identity_.initialised()) return;
  Result<Identity> identity = ports_.identity.load();
  if (!identity || !identity->initialised()) {
    return ports_.fatal.fail(
        "identity", identity ? Error{Code::corrupt, "the identity is gone"} : identity.error());
  }
  identity_ = std::move(*identity);
  campaign_ = message.campaign;
  boot(context);
}

void RaftActor::boot(Context& context) noexcept {
  ASPEN_ASSERT(identity_.initialised());
  ASPEN_ASSERT(!core_.has_value());
  boot_ = ports_.entropy.u64();
  log_opener_ = context.spawn<LogOpener>(
      child("log-opener", options_.log_worker),
      LogOpener::Parts{ports_.open_log, ports_.state, ports_.files, ports_.snapshot_directory});
  open_log(context);
}

void RaftActor::open_log(Context& context) noexcept {
  publish_health();
  const Result<void> asked =
      context.ask(log_opener_, OpenLog{identity_}, open_timeout,
                  [](RaftActor& self, Result<OpenedLog>&& opened, Context& own) noexcept {
                    self.on_opened(std::move(opened), own);
                  });
  if (!asked) context.fail(asked.error());
}

void RaftActor::on(OpenAgain&&, Context& context) noexcept {
  ASPEN_ASSERT(!core_.has_value());
  open_log(context);
}

// Safety: the identity says that the log was begun before this node votes.
void RaftActor::on_opened(Result<OpenedLog>&& opened, Context& context) noexcept {
  ASPEN_ASSERT(!core_.has_value());
  if (opened && !identity_.started) {
    Identity begun = identity_;
    begun.started = true;
    const Result<void> saved = ports_.identity.save(begun);
    if (saved) identity_ = std::move(begun);
    if (!saved) opened = tl::unexpected<Error>(saved.error());
  }
  if (!opened && opened.error().code == Code::no_space) {
    if (!waits_for_room_) ports_.log.error("raft", "the disk has no room for the log: waiting");
    waits_for_room_ = true;
    open_again_ = context.after(open_again_delay, OpenAgain{});
    return publish_health();
  }
  waits_for_room_ = false;
  if (!opened) return ports_.fatal.fail("log", opened.error());
  log_ = std::move(opened->log);
  Result<raft::BootState> state = recover();
  if (!state) return ports_.fatal.fail("log", state.error());
  start(std::move(*state), context);
}

void RaftActor::start(raft::BootState&& state, Context& context) noexcept {
  ASPEN_ASSERT(log_ != nullptr);
  ASPEN_ASSERT(identity_.started);
  measure_disk();
  const Index last = state.last;
  core_.emplace(std::move(state));
  soft_ = core_->soft();
  spawn_children(context);
  on_config(core_->config());
  ports_.log.info(
      "raft", "replica started",
      {{"node", identity_.self.id}, {"term", soft_.term}, {"last", last}, {"applied", applied_}});
  publish_health();
  if (campaign_) core_->step(raft::Campaign{});
  campaign_ = false;
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
  log_writer_ = context.spawn<LogWriter>(
      child("log-writer", options_.log_worker),
      LogWriter::Parts{log_, context.self(), boot_, ports_.clock, ports_.fatal, ports_.telemetry});
  log_reader_ = context.spawn<LogReader>(child_alone("log-reader", options_.log_read_worker),
                                         LogReader::Parts{log_, context.self(), boot_});
  reader_ = context.spawn<Reader>(child_alone("reader", options_.read_worker),
                                  Reader::Parts{ports_.clock, ports_.telemetry});
  applier_ = context.spawn<Applier>(
      child("applier", options_.state_worker),
      Applier::Parts{log_, ports_.state, context.self(), boot_, reader_, ports_.clock, ports_.fatal,
                     ports_.telemetry, ports_.free_bytes, identity_.cluster, identity_.self.id});
  spawn_snapshots(context);
}

}  // namespace aspen::replica
