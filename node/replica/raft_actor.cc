#include "node/replica/raft_actor.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/replica/gauges.h"
#include "node/wire/raft_codec.h"

namespace aspen::replica {

namespace {
constexpr std::uint64_t ticks_per_publication = 10;
constexpr std::uint64_t ticks_per_look = 50;  // at members that are not bound, or silent
// A replica that is further behind its own commit index than this is not ready.
constexpr std::uint64_t ready_lag_entries_max = 5'000;
// What an entry may take in the log beyond its size.
constexpr std::uint64_t full_entry_overhead = 64;
}  // namespace

void RaftActor::on(PeerMessage&& message, Context&) noexcept {
  if (!core_.has_value() || identity_.removed) return;
  // The leader sees a peer that loses appends.
  if (disk_full_ && !has_room_for(message.message)) return;
  core_->step(raft::Received{message.from, std::move(message.message)});
}

// With a full disk the log takes what it has room for: the entries that were under way when the
// disks filled up, without which the next leader could commit nothing and serve no reads. Then only
// the blank entries of elections, so that there is room for votes.
bool RaftActor::has_room_for(const raft::Message& message) noexcept {
  const auto* append = std::get_if<raft::Append>(&message);
  if (append == nullptr || append->entries.empty()) return true;
  const bool election =
      append->entries.size() == 1 && append->entries.front().kind == EntryKind::blank;
  if (election) return true;
  std::uint64_t bytes = 0;
  for (const Entry& entry : append->entries) bytes += entry.size_bytes() + full_entry_overhead;
  if (bytes > full_budget_bytes_) return false;
  full_budget_bytes_ -= bytes;
  return true;
}

void RaftActor::on(PeerLinkChanged&& message, Context&) noexcept {
  if (!core_.has_value()) return;
  core_->step(raft::PeerLink{message.peer, message.up});
  if (message.up && importer_)
    ASPEN_MAYBE(importer_.tell(PeerLinkChanged{message.peer, true}).has_value());
  // Forwards that did not leave for want of this link wait no longer than it.
  if (message.up && message.peer.id == core_->soft().leader) route_waiting();
}

void RaftActor::on(IdentityDoubted&& message, Context&) noexcept {
  doubt_ = std::move(message.reason);
  publish_health();
}

bool RaftActor::is_current(std::uint64_t boot) noexcept {
  if (core_.has_value() && boot == boot_) return true;
  gauges_->stale_completions.add(1);
  return false;
}

void RaftActor::on(LogDone&& message, Context&) noexcept {
  if (!is_current(message.boot)) return;
  ASPEN_ASSERT(core_.has_value());
  core_->step(raft::LogDurable{message.io});
  parked_.release(message.io, outgoing_);
  note_durable(message.io);
}

// Entries wait that find no room, and votes would wait behind them. Nothing of them was
// acknowledged, so the replica starts again without them, as after a crash.
void RaftActor::on(LogStalled&& message, Context& context) noexcept {
  if (!is_current(message.boot) || !message.stalled) return;
  context.interrupt(Error{Code::no_space, "the log has no room for entries that were accepted"});
}

void RaftActor::on(AppliedUpTo&& message, Context&) noexcept {
  if (!is_current(message.boot)) return;
  ASPEN_ASSERT(core_.has_value());
  ASPEN_ASSERT(applied_ <= message.applied);
  gauges_->proposals_applied.add(static_cast<double>(distance(applied_, message.applied)));
  applied_ = message.applied;
  revision_ = message.revision;
  if (message.sizes) sizes_ = *message.sizes;
  while (!handed_over_.empty() && handed_over_.front().through <= applied_) {
    ASPEN_ASSERT(handed_over_bytes_ >= handed_over_.front().bytes);
    handed_over_bytes_ -= handed_over_.front().bytes;
    handed_over_.pop_front();
  }
  core_->step(raft::Applied{message.applied, message.durable});
}

void RaftActor::on(LogRead&& message, Context&) noexcept {
  if (!is_current(message.boot)) return;
  ASPEN_ASSERT(core_.has_value());
  // What the core asked for since may carry a newer commit index.
  const std::optional<raft::AppendSpec> newest = log_reads_.finish(message.to.id, message.spec);
  if (!newest.has_value() || message.entries.empty()) return;  // the core asks anew
  const raft::AppendSpec& spec = *newest;
  // The log may have been truncated or the leadership lost since (rule 2.2.6).
  const bool leads = core_->soft().role == raft::RoleState::leader;
  if (!leads || core_->soft().term != spec.term) return;
  const LogId read = message.entries.back().id;
  if (core_->term_at(read.index) != read.term) return;
  const raft::Append append{spec.term, spec.prev, std::move(message.entries), spec.commit,
                            spec.epoch};
  outgoing_.push_back({message.to.id, wire::cast_raft, wire::encode(raft::Message(append))});
}

void RaftActor::on(RaftTick&&, Context& context) noexcept {
  ++ticks_;
  if (core_.has_value() && !identity_.removed) core_->step(raft::Tick{});
  if (ticks_ % ticks_per_look == 0) look_after_members(context);
  if (ticks_ % ticks_per_publication == 0) every_tenth_tick();
}

void RaftActor::on(GetView&&, actor::Responder<ReplicaView>&& responder, Context&) noexcept {
  ReplicaView view;
  if (core_.has_value()) {
    view = ReplicaView{true,      core_->metrics(), core_->config(), applied_,
                       revision_, sizes_,           disk_full_};
    view.draining = draining_;
  }
  if (identity_.removed) {
    view.removed = true;
    view.raft.soft.leader = NodeId();  // it would not hear of the next
    view.raft.soft.role = raft::RoleState::follower;
  }
  responder.reply(std::move(view));
}

void RaftActor::batch_end(Context&) noexcept {
  if (!core_.has_value()) return;
  // What a flush completes may be routed anew, which steps the core again: once, since a request
  // that is refused twice waits.
  for (int round = 0; round < 2; ++round) {
    routed_ = false;
    dispatch(core_->flush());
    flush_outgoing();
    if (!routed_) return;
  }
}

void RaftActor::dispatch(raft::Effects&& effects) noexcept {
  for (raft::Send& each : effects.sends) send(std::move(each));
  flush_outgoing();
  note_reset(effects.io);
  if (effects.io) writes_.push_back(WriteLog{std::move(*effects.io)});
  ASPEN_ASSERT(writes_.size() <= limits::log_writes_waiting_max);
  while (!writes_.empty() && log_writer_.tell(std::move(writes_.front()))) writes_.pop_front();
  if (effects.config) on_config(effects.config->config);
  if (effects.soft) on_soft(*effects.soft);
  for (const raft::Completion& completion : effects.completions) complete(completion);
  if (effects.commit.after < effects.commit.through) hand_over(std::move(effects.commit));
  if (apply_ && applier_.tell(std::move(*apply_))) apply_.reset();
  grant(effects.reads);
  if (effects.soft && effects.soft->leader.value != 0) route_waiting();
  if (effects.soft && effects.soft->removed) seal();
  request_snapshots(effects.snapshots);
  if (effects.purge) {
    // A permission that is lost is given again with the next.
    ASPEN_MAYBE(log_writer_.tell(PurgeLog{*effects.purge}).has_value());
  }
}

void RaftActor::send(raft::Send&& each) noexcept {
  if (const auto* spec = std::get_if<raft::AppendSpec>(&each.what)) {
    ASPEN_ASSERT(each.after == raft::IoId());
    if (!log_reads_.begin(each.to.id, *spec, ports_.clock.now())) return;
    const Result<void> asked = log_reader_.tell(ReadLog{each.to, *spec});
    if (!asked) ASPEN_MAYBE(log_reads_.finish(each.to.id, *spec));
    return;
  }
  raft::Message& message = std::get<raft::Message>(each.what);
  if (each.after == raft::IoId()) {
    outgoing_.push_back({each.to.id, wire::cast_raft, wire::encode(message)});
  } else {
    parked_.add(each.after, each.to.id, std::move(message));
  }
}

void RaftActor::flush_outgoing() noexcept {
  if (outgoing_.empty()) return;
  ports_.peers.cast(std::move(outgoing_));
  outgoing_.clear();
}

void RaftActor::hand_over(raft::CommitRange&& range) noexcept {
  ASPEN_ASSERT(range.after == handed_over_through_);
  handed_over_through_ = range.through;
  gauges_->proposals_committed.add(static_cast<double>(distance(range.after, range.through)));
  ApplyCommitted apply;
  apply.term = core_->soft().term;
  std::uint64_t bytes = 0;
  for (const Entry& entry : range.entries) {
    bytes += entry.size_bytes();
    std::optional<Waiting> waiting = take_if_mine(entry);
    if (waiting) apply.waiting.push_back(std::move(*waiting));
  }
  const std::optional<Term> term = core_->term_at(range.through);
  ASPEN_ASSERT(term.has_value());
  apply.range = std::move(range);
  if (handed_over_bytes_ + bytes > limits::apply_backlog_bytes_max) {
    apply.range.entries.clear();  // the applier reads them from the log in its own time
  } else {
    handed_over_.push_back({apply.range.through, bytes});
    handed_over_bytes_ += bytes;
  }
  queue(std::move(apply));
  if (applied_term_ < *term) {
    applied_term_ = *term;
    route_overtaken(*term);
  }
}

// One message, however long the applier's mailbox stays full.
void RaftActor::queue(ApplyCommitted&& apply) noexcept {
  if (!apply_) {
    apply_ = std::move(apply);
    return;
  }
  ASPEN_ASSERT(apply_->range.through == apply.range.after);
  apply_->range.through = apply.range.through;
  apply_->range.entries.clear();  // read from the log
  apply_->term = apply.term;
  for (Waiting& each : apply.waiting) apply_->waiting.push_back(std::move(each));
  ASPEN_ASSERT(apply_->waiting.size() <= distance(apply_->range.after, apply_->range.through));
}

void RaftActor::on_soft(const raft::SoftState& soft) noexcept {
  if (soft.leader != soft_.leader && soft.leader.value != 0) gauges_->leader_changes.add(1);
  if (soft.role != soft_.role && soft.role == raft::RoleState::leader) {
    ports_.log.info("raft", "this node leads", {{"term", soft.term}});
  } else if (soft.leader != soft_.leader && soft.leader.value == 0) {
    ports_.log.warn("raft", "no leader is known", {{"term", soft.term}});
  } else if (soft.leader != soft_.leader) {
    ports_.log.info("raft", "leader known", {{"leader", soft.leader}, {"term", soft.term}});
  }
  const bool led = soft_.role == raft::RoleState::leader;
  if (led && soft.role != raft::RoleState::leader && exporter_) {
    ASPEN_MAYBE(exporter_.tell(StopSending{}));
  }
  soft_ = soft;
  note_leader_for_transfers();
}

void RaftActor::measure_disk() noexcept {
  const bool full = ports_.free_bytes() < options_.reserve_bytes;
  if (full == disk_full_) return;
  disk_full_ = full;
  if (full) {
    full_budget_bytes_ = std::min<std::uint64_t>(log_->room_bytes(), limits::window_bytes_max);
    ports_.log.error("raft", "the disk is full: writes are refused until there is room");
  } else {
    ports_.log.info("raft", "there is room on the disk again: writes are accepted");
  }
}

void RaftActor::every_tenth_tick() noexcept {
  expire_requests();
  expire_farewells();
  if (core_.has_value()) {
    measure_disk();
    permit_purge();
    publish_metrics();
  }
  publish_health();
}

void RaftActor::publish_health() noexcept {
  Health health;
  if (identity_.removed) {
    health.reason =
        "this member was removed from the cluster: it can join again with an empty data directory";
  } else if (draining_) {
    health.reason = "the node is drained";
  } else if (!doubt_.empty()) {
    health.reason = doubt_;
  } else if (waits_for_room_) {
    health.reason = "the disk has no room for the log";
  } else if (identity_.initialised() && !core_.has_value()) {
    health.reason = "the node is starting: the log is being read";
  } else if (!core_.has_value()) {
    health.reason = "uninitialised: no cluster yet, run aspenctl cluster init";
  } else if (soft_.leader.value == 0) {
    health.reason = "no leader is known";
  } else if (distance(applied_, std::max(applied_, core_->metrics().commit.index)) >
             ready_lag_entries_max) {
    health.reason = "the state has not caught up with the log yet";
  } else {
    health.ready = true;
  }
  ports_.health.publish(std::move(health), ports_.clock.now());
}

void RaftActor::publish_metrics() noexcept {
  const raft::Metrics metrics = core_->metrics();
  const auto value = [](std::uint64_t v) { return static_cast<double>(v); };
  const Member* self = core_->config().find(identity_.self.id);
  gauges_->has_leader.set(soft_.leader.value != 0 ? 1 : 0);
  gauges_->is_leader.set(soft_.role == raft::RoleState::leader ? 1 : 0);
  gauges_->is_learner.set(self != nullptr && self->role == Role::learner ? 1 : 0);
  gauges_->term.set(value(soft_.term.value));
  gauges_->commit_index.set(value(metrics.commit.index.value));
  gauges_->applied_index.set(value(applied_.value));
  gauges_->stable_index.set(value(metrics.stable.value));
  gauges_->proposals_pending.set(value(proposals_.size()));
  gauges_->db_size.set(value(sizes_.on_disk_bytes));
  gauges_->db_in_use.set(value(sizes_.in_use_bytes));
  gauges_->disk_full.set(disk_full_ ? 1 : 0);
}

}  // namespace aspen::replica
