#include "tests/sim/node/host.h"

#include <fmt/format.h>

#include <utility>

#include "node/adapter/segment_log/segment_log.h"
#include "node/base/assert.h"
#include "tests/sim/node/slips.h"
#include "tests/sim/node/workload.h"
#include "tests/sim/node/world.h"

namespace aspen::sim::node {

namespace {

constexpr std::uint64_t capacity_bytes = std::uint64_t{1} << 30U;
constexpr const char* data_dir = "/data";
constexpr Time restart_delay = second;  // of the service manager
constexpr Time stop_deadline = 10 * second;
constexpr std::size_t log_worker = 1;
constexpr std::size_t state_worker = 2;
constexpr std::size_t workers = 6;

class KeptHealth final : public HealthBoard {
 public:
  void publish(Health health, Instant) override { health_ = std::move(health); }
  [[nodiscard]] Health current(Instant) const override { return health_; }

 private:
  Health health_;
};

}  // namespace

// What ends with the process.
struct Host::Process {
  std::unique_ptr<FileLock> lock;
  replica::Identity identity;
  KeptHealth health;
  cluster::NodeMemory memory;
  std::unique_ptr<ClusterPeers> peers;
  std::unique_ptr<actor::SimSystem> system;
  actor::Ref<replica::RaftProtocol> raft;
  actor::Ref<replica::NodeProtocol> node;
  std::unique_ptr<gateway::Gateway> gateway;
};

Host::Host(World& world, std::size_t number)
    : world_(world),
      number_(number),
      name_("n" + std::to_string(number + 1)),
      disk_dice_(world.stream("disk", number)),
      crash_prng_(world.stream("crash", number)),
      clock_(world.sim()),
      entropy_(world.stream("entropy", number)),
      authenticator_("secret"),
      disk_(std::make_unique<Disk>()) {}

Host::Disk::Disk() : identity(files, data_dir) {
  files.set_capacity(capacity_bytes);
  if (slips(Slip::sync_that_lies)) files.lie_about_syncs();
}

Host::~Host() = default;

// ---- life

void Host::start() {
  ASPEN_ASSERT(process_ == nullptr);
  set_dark(Dark::no);
  ++boots_;
  ++world_.counters().boots;
  started_at_ = world_.now();
  replicas_started_ = 0;
  actor_killed_ = false;
  ending_ = false;
  view_ = {};
  world_.trace(number_, fmt::format("starts, life {}", boots_));
  process_ = std::make_unique<Process>();
  if (begin() && world_.plan().disk.flush_every != 0) flush_sometimes();
}

bool Host::begin() {
  Result<std::unique_ptr<FileLock>> locked = disk_->files.lock(std::string(data_dir) + "/LOCK");
  Result<void> ready;
  if (!locked) {
    ready = tl::unexpected<Error>(locked.error());
  } else {
    process_->lock = std::move(*locked);
    ready = load_identity();
  }
  if (!ready) {
    end_itself(ready.error());
    return false;
  }
  spawn();
  return true;
}

Result<void> Host::load_identity() {
  Result<replica::Identity> loaded = disk_->identity.load();
  if (loaded) {
    process_->identity = std::move(*loaded);
    incarnation_ = process_->identity.self.incarnation;
    sealed_ = process_->identity.removed;
    return {};
  }
  if (loaded.error().code != Code::not_found) return tl::unexpected<Error>(loaded.error());
  const auto left = disk_->files.list(std::string(data_dir) + "/log");
  if (left && !left->empty()) return aspen::fail(Code::not_found, "a log without its identity");
  process_->identity.name = name_;
  process_->identity.self.incarnation = {entropy_.u64(), entropy_.u64()};
  incarnation_ = process_->identity.self.incarnation;
  return disk_->identity.save(process_->identity);
}

Result<std::shared_ptr<LogStore>> Host::open_log(const replica::Identity& identity) {
  adapter::segment_log::SegmentLogOptions options;
  options.directory = std::string(data_dir) + "/log";
  options.cluster = identity.cluster;
  options.self = identity.self;
  options.segment_bytes = world_.plan().disk.segment_bytes;
  options.keep_free_bytes = options.segment_bytes;
  options.creation = identity.started ? adapter::segment_log::Creation::never
                                      : adapter::segment_log::Creation::if_absent;
  options.preparation = adapter::segment_log::Preparation::in_line;
  adapter::segment_log::LogDamage damage;
  auto opened = adapter::segment_log::SegmentLog::open(disk_->files, options, &damage);
  if (!opened) {
    if (!damage.file.empty()) world_.trace(number_, adapter::segment_log::describe(damage));
    return tl::unexpected<Error>(opened.error());
  }
  if ((*opened)->recovered().purged.index.value > 0) world_.coverage().hit(Site::log_purged);
  return std::shared_ptr<LogStore>(std::move(*opened));
}

void Host::spawn() {
  Process& p = *process_;
  actor::SystemOptions options;
  options.seed = entropy_.u64();
  options.on_give_up = [this](const Error& error) {
    world_.coverage().hit(Site::ended_by_supervision);
    end_itself(error);
  };
  p.system = std::make_unique<actor::SimSystem>(
      options, world_.sim(),
      actor::SimWorkers{workers, [this](std::size_t worker) { return turn_delay(worker); }});
  p.memory.identity = {p.identity.cluster, p.identity.self, p.identity.name};
  if (!p.identity.removed) p.memory.members = p.identity.bootstrap;
  actor::ChildOptions child;
  child.mailbox_capacity = limits::replica_mailbox_max;
  child.worker = 0;
  cluster::NodeServerOptions server_options;
  const auto server = p.system->spawn<cluster::NodeServer>(
      child,
      cluster::NodeServerDeps{world_.network().host(name_), authenticator_, entropy_, *this,
                              telemetry_, p.memory},
      server_options);
  p.peers = std::make_unique<ClusterPeers>(server.value(), name_);
  replica::ReplicaOptions replica;
  replica.election_timeout = to_duration(world_.plan().election_timeout);
  replica.heartbeat_interval = to_duration(world_.plan().heartbeat);
  replica.reserve_bytes = 3 * world_.plan().disk.segment_bytes;
  replica.log_bytes_max = world_.plan().disk.log_bytes_max;
  p.raft = p.system
               ->spawn<replica::RaftActor>(
                   child,
                   replica::ReplicaPorts{
                       clock_, entropy_, disk_->identity,
                       [this](const replica::Identity& of) { return open_log(of); }, disk_->state,
                       [this] { return disk_->files.free_bytes(data_dir).value_or(UINT64_MAX); },
                       *p.peers, p.health, telemetry_, *this, *this, &disk_->files,
                       std::string(data_dir) + "/snapshots"},
                   replica)
               .value();
  p.peers->set_raft(p.raft);
  p.node = p.system
               ->spawn<replica::NodeActor>(
                   child, replica::NodeActor::Parts{clock_, entropy_, disk_->identity, *p.peers,
                                                    *this, *this, p.raft})
               .value();
  connect_handlers(p.memory, ClusterTargets{p.raft, p.node, *this});
  p.gateway =
      std::make_unique<gateway::Gateway>(gateway::Gateway::Parts{clock_, p.health, p.raft, p.node},
                                         gateway::GatewayOptions{replica.election_timeout});
}

gateway::Gateway& Host::gateway() noexcept {
  ASPEN_ASSERT(process_ != nullptr && process_->gateway != nullptr);
  return *process_->gateway;
}

// ---- ends

void Host::crash(contract::Crash kind, Time down) {
  if (!up() || ending_) return;
  if (leads()) world_.coverage().hit(Site::leader_crashed);
  if (!world_.initialised()) world_.coverage().hit(Site::crash_in_init);
  if (boots_ > 1 && world_.now() - started_at_ < 100 * millisecond) {
    world_.coverage().hit(Site::crash_while_recovering);
  }
  if (kind == contract::Crash::power) world_.coverage().hit(Site::crash_by_power);
  end_process(kind);
  start_after(down);
}

void Host::crash_after(std::uint64_t turns, Time down) {
  if (!up() || ending_ || process_->system == nullptr) return;
  process_->system->pause_after(turns, [this, down, life = boots_] {
    world_.after(0, [this, down, life] {
      if (life != boots_ || !up()) return;
      if (healed_) return process_->system->resume();
      world_.coverage().hit(Site::crash_in_turn);
      const bool power = crash_prng_.chance(1, 2);
      crash(power ? contract::Crash::power : contract::Crash::process, down);
    });
  });
}

void Host::crash_at_io(std::uint64_t calls, Time down) {
  if (!up() || ending_) return;
  down_after_end_ = down;
  disk_->files.crash_at(disk_->files.operations() + calls);
  disk_->files.on_crash([this, life = boots_] {
    world_.coverage().hit(Site::crash_at_io);
    if (process_->system != nullptr) process_->system->pause();
    world_.after(0, [this, life] {
      if (life != boots_ || !up()) return;
      ending_ = false;
      crash(contract::Crash::power, down_after_end_);
    });
  });
}

void Host::fail_at_io(std::uint64_t calls, Time down) {
  if (!up() || ending_) return;
  down_after_end_ = down;
  io_failed_ = io_fault_struck();
  io_fault_at_ = disk_->files.operations() + calls;
  disk_->files.fail_at(io_fault_at_, Code::io_error);
}

bool Host::io_fault_struck() const {
  return io_failed_ || (io_fault_at_ != 0 && disk_->files.operations() >= io_fault_at_);
}

void Host::fail(std::string_view component, const Error& error) noexcept {
  world_.trace(number_, fmt::format("fatal in {}: {}: {} ({})", component, to_string(error.code),
                                    error.what, error.detail));
  end_itself(error);
}

void Host::end_itself(const Error& error) {
  if (process_->system != nullptr) process_->system->pause();
  if (std::exchange(ending_, true)) return;
  const bool full = error.code == Code::no_space && full_until_ != 0;
  if (full) {
    world_.coverage().hit(Site::ended_by_full_disk);
  } else if (io_fault_struck()) {
    world_.coverage().hit(Site::ended_by_io_error);
  } else if (!disk_->files.crashed() && !actor_killed_) {
    world_.violate(
        "a node ends by itself only for a fault",
        fmt::format("{}: {}: {} ({})", name_, to_string(error.code), error.what, error.detail));
  }
  world_.after(0, [this, life = boots_] {
    if (life != boots_ || !up()) return;
    const bool power = disk_->files.crashed();
    end_process(power ? contract::Crash::power : contract::Crash::process);
    start_after(std::max(restart_delay, down_after_end_));
  });
}

void Host::end_process(contract::Crash kind) {
  ASPEN_ASSERT(up());
  observe();
  const bool power = kind == contract::Crash::power;
  const std::size_t unflushed = disk_->state.unflushed();
  const std::size_t kept = crash_prng_.below(unflushed + 1);
  if (kept < unflushed) world_.coverage().hit(Site::crash_with_state_lost);
  world_.trace(number_, fmt::format("{}, the state keeps {} of {} batches",
                                    power ? "loses power" : "dies", kept, unflushed));
  world_.workload().on_node_end(number_);
  // Nobody is told: what is sent to the machine waits until it is there again, or gives up.
  if (power) set_dark(Dark::yes);
  process_->gateway.reset();
  if (process_->system != nullptr) process_->system->crash();
  process_.reset();
  disk_->files.restart(kind, crash_prng_);
  disk_->files.on_crash(nullptr);
  io_fault_at_ = 0;
  io_failed_ = false;
  disk_->state.crash(kept);
  const kv::State after = state_of(disk_->state.rows());
  cursor_ = {after.revision, after.applied.index};
  view_ = {};
  ending_ = false;
}

void Host::set_dark(Dark dark) {
  if (dark_ == dark) return;
  dark_ = dark;
  for (std::size_t i = 0; i < world_.nodes(); ++i) {
    if (i == number_) continue;
    for (const auto& [from, to] : {std::pair(number_, i), std::pair(i, number_)}) {
      dark == Dark::yes ? world_.cut(from, to) : world_.join(from, to);
    }
  }
}

void Host::start_after(Time down) {
  down_after_end_ = 0;
  world_.after(down + 1, [this, life = boots_] {
    if (life == boots_ && !up() && !retired_) start();
  });
}

void Host::stop(Time down) {
  if (!up() || ending_ || process_->system == nullptr) return;
  world_.coverage().hit(Site::stopped_in_order);
  world_.trace(number_, "is asked to stop");
  process_->system->stop();
  await_stop(down, world_.now() + stop_deadline);
}

void Host::await_stop(Time down, Time deadline) {
  world_.after(10 * millisecond, [this, down, deadline, life = boots_] {
    if (life != boots_ || !up() || ending_) return;
    const bool over = process_->system->stopped() || world_.now() >= deadline;
    if (!over) return await_stop(down, deadline);
    end_process(contract::Crash::process);
    start_after(down);
  });
}

// ---- weather

void Host::pause(Time duration) {
  if (!up() || ending_ || process_->system == nullptr || process_->system->paused()) return;
  world_.coverage().hit(Site::paused);
  process_->system->pause();
  world_.after(duration, [this, life = boots_] {
    if (life != boots_ || !up() || ending_ || disk_->files.crashed()) return;
    process_->system->resume();
  });
}

void Host::kill_actor(std::uint64_t choice) {
  if (!up() || ending_ || process_->system == nullptr) return;
  const auto actors = process_->system->snapshot();
  if (actors.empty()) return;
  const actor::ActorStats& victim = actors[choice % actors.size()];
  const Error error{Code::failed_precondition, "killed by the simulator"};
  if (!process_->system->fail_actor(victim.id, error)) return;
  actor_killed_ = true;
  world_.coverage().hit(Site::actor_killed);
  world_.trace(number_, fmt::format("{} is killed", victim.type));
}

void Host::lose_disk(Time down) {
  if (retired_) return;
  if (up() && !ending_) end_process(contract::Crash::power);
  if (up()) return;  // it is just ending for another reason
  world_.trace(number_, "its disk is lost");
  set_dark(Dark::yes);
  lost_operations_ += disk_->files.operations();
  disk_ = std::make_unique<Disk>();
  cursor_ = {};
  incarnation_ = {};
  sealed_ = false;
  full_until_ = 0;
  ++boots_;  // whatever was to start the former machine does not
  start_after(down);
}

void Host::stall(Time duration) {
  world_.coverage().hit(Site::disk_stalled);
  stalled_until_ = std::max(stalled_until_, world_.now() + duration);
}

void Host::slow_down(std::uint64_t factor, Time duration) {
  slowness_ = factor;
  slow_until_ = world_.now() + duration;
}

void Host::fill(std::uint64_t bytes, Time duration) {
  if (full_until_ != 0) return;
  const std::uint64_t free = disk_->files.free_bytes(data_dir).value_or(0);
  const std::uint64_t used = capacity_bytes - std::min(free, capacity_bytes);
  full_until_ = world_.now() + duration;
  disk_->files.set_capacity(used + bytes);
  world_.after(duration, [this] {
    if (full_until_ == 0) return;
    full_until_ = 0;
    disk_->files.set_capacity(capacity_bytes);
    world_.coverage().hit(Site::disk_full_and_back);
  });
}

bool Host::serves() const noexcept {
  return up() && !ending_ && process_->gateway != nullptr;
}

void Host::heal() {
  healed_ = true;
  stalled_until_ = 0;
  slow_until_ = 0;
  full_until_ = 0;
  clock_.offset = {};
  disk_->files.set_capacity(capacity_bytes);
  if (retired_) return;
  if (!up()) return start();
  // What was to happen in a later call of the file system does not.
  disk_->files.crash_at(UINT64_MAX);
  disk_->files.fail_at(UINT64_MAX, Code::io_error);
  if (process_->system == nullptr || ending_ || disk_->files.crashed()) return;
  process_->system->unblock();
  process_->system->resume();
}

Duration Host::turn_delay(std::size_t worker) {
  if (worker == 0) return {};
  const DiskPlan& disk = world_.plan().disk;
  if (worker == state_worker) return to_duration(disk_dice_.exponential(disk.state_latency));
  const Time mean = worker == log_worker ? disk.log_latency : disk.read_latency;
  Time delay = disk_dice_.exponential(mean);
  if (slow_until_ > world_.now()) delay *= slowness_;
  if (stalled_until_ > world_.now()) delay += stalled_until_ - world_.now();
  return to_duration(delay);
}

void Host::flush_sometimes() {
  world_.after(disk_dice_.exponential(world_.plan().disk.flush_every) + 1, [this, life = boots_] {
    if (life != boots_ || !up()) return;
    disk_->state.flush_some(disk_dice_.below(disk_->state.unflushed() + 1));
    flush_sometimes();
  });
}

// ---- what is seen of it

void Host::observe() {
  if (auto wrong = world_.history().observe(disk_->state.rows(), cursor_)) {
    world_.violate("all nodes apply one history", name_ + ": " + *wrong);
  }
  if (!up() || ending_ || process_->system == nullptr || process_->system->paused()) return;
  process_->raft.ask_from_outside(replica::GetView{},
                                  [this, life = boots_](Result<replica::ReplicaView>&& view) {
                                    if (life == boots_ && view) take(std::move(*view));
                                  });
}

void Host::take(replica::ReplicaView&& view) {
  if (view.config.joint()) world_.coverage().hit(Site::joint_configuration);
  if (view.removed && !sealed_) world_.coverage().hit(Site::node_sealed);
  sealed_ = sealed_ || view.removed;
  view_ = std::move(view);
}

// What only the log tells.
void Host::note(std::string_view message, std::initializer_list<LogField> fields) {
  // The receiver's words; the sender's name the receiver, too.
  const bool here = fields.size() == 1;
  if (here && message == "a snapshot was taken over")
    world_.coverage().hit(Site::snapshot_installed);
  if (message == "a snapshot is sent") world_.coverage().hit(Site::snapshot_sent);
  if (message != "a snapshot is received") return;
  std::string total;
  std::string missing;
  for (const LogField& field : fields) {
    if (field.name == "bytes") total = field.value;
    if (field.name == "missing_bytes") missing = field.value;
  }
  if (total != missing) world_.coverage().hit(Site::snapshot_resumed);
}

void Host::write(LogLevel level, std::string_view component, std::string_view message,
                 std::initializer_list<LogField> fields) {
  if (message == "replica started" && ++replicas_started_ > 1) {
    world_.coverage().hit(Site::replica_restarted);
  }
  note(message, fields);
  constexpr std::array<const char*, 4> levels{"debug", "info", "warn", "error"};
  std::string text =
      fmt::format("{} {}: {}", levels[static_cast<std::size_t>(level)], component, message);
  for (const LogField& field : fields) text += fmt::format(" {}={}", field.name, field.value);
  world_.trace(number_, std::move(text));
}

}  // namespace aspen::sim::node
