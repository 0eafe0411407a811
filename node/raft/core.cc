#include "node/raft/core.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"
#include "node/raft/state.h"

namespace aspen::raft {

namespace {
const Config no_config;

template <class T>
Result<void> check_range(T value, T low, T high, const char* what) noexcept {
  if (value < low || value > high) return fail(Code::invalid_argument, what, value);
  return {};
}
}  // namespace

Result<void> Tuning::validate() const noexcept {
  struct Range {
    std::uint64_t value;
    std::uint64_t low;
    std::uint64_t high;
    const char* what;
  };
  const Range ranges[] = {
      {election_ticks_min, 3, 1'000'000, "election_ticks_min: 3 to 1,000,000"},
      {heartbeat_ticks, 1, election_ticks_min / 3, "heartbeat_ticks: 1 to election_ticks_min / 3"},
      {append_bytes, 1, limits::append_bytes_max, "append_bytes: 1 to 1 MiB"},
      {window_bytes, 1, limits::window_bytes_max, "window_bytes: 1 to 8 MiB"},
      {window_appends, 1, limits::window_appends_max, "window_appends: 1 to 64"},
      {read_rounds, 1, limits::read_rounds_max, "read_rounds: 1 to 16"},
      {uncommitted_bytes, 1, limits::uncommitted_bytes_max, "uncommitted_bytes: 1 to 64 MiB"},
      {tail_bytes, 0, limits::tail_bytes_max, "tail_bytes: 0 to 16 MiB"},
      {purge_entries, 1, 1'000'000'000, "purge_entries: 1 to 1,000,000,000"},
      {keep_entries, 1, std::uint64_t{1} << 62U, "keep_entries: 1 to 2^62"},
      {promotion_lag, 0, 1'000'000'000, "promotion_lag: 0 to 1,000,000,000"},
  };
  for (const Range& range : ranges) {
    const auto checked = check_range(range.value, range.low, range.high, range.what);
    if (!checked) return checked;
  }
  return {};
}

Core::State::State(BootState boot)
    : self(boot.self),
      tuning(boot.tuning),
      prng(boot.seed),
      hard_state(boot.hard_state),
      log(boot.purged, std::move(boot.runs), boot.last),
      disk(boot.last),
      configs(std::move(boot.configs)),
      commit(boot.applied),
      delivered(boot.applied),
      applied(boot.applied),
      applied_durable(boot.durable.value_or(boot.applied)) {
  ASPEN_ASSERT(self.id.value != 0);
  ASPEN_ASSERT(tuning.validate().has_value());
  // State beyond the log would be state that nobody can prove (D6).
  ASPEN_ASSERT(boot.applied <= boot.last);
  ASPEN_ASSERT(applied_durable <= boot.applied);
  ASPEN_ASSERT(boot.purged.index <= applied_durable);
  // A crash between the parts of a reset (P2): nobody was told of the term, nor given a vote in it.
  if (log.last().term > term()) {
    hard_state = HardState{log.last().term, std::nullopt};
    hard_state_dirty = true;
  }
  quorum = Quorum(config());
  note_membership();
  read_context = prng.next() >> 1U;
  draw_election_wait();
  soft_told = soft();
  invariants();
}

const Config& Core::State::config() const noexcept {
  return configs.empty() ? no_config : configs.back().config;
}

IoId Core::State::after_hard_state() const noexcept {
  if (hard_state_dirty) return disk.next();
  return hard_state_io > disk.durable() ? hard_state_io : IoId();
}

bool Core::State::admits(const PeerId& from) const noexcept {
  if (mutant_active(Mutant::other_incarnation_admitted)) return true;
  const Member* member = config().find(from.id);
  if (member == nullptr || member->peer.incarnation.empty()) return true;
  return member->peer.incarnation == from.incarnation;
}

void Core::State::send(const PeerId& to, Message message, IoId after) {
  ASPEN_ASSERT(to.id != self.id);
  ASPEN_ASSERT(after <= disk.next());
  sends.push_back(Send{to, std::move(message), after});
}

void Core::State::append_entry(Entry entry) {
  ASPEN_ASSERT(entry.id.term <= term());
  if (entry.kind == EntryKind::config) {
    auto decoded = decode_config(entry.payload.view());
    ASPEN_ASSERT(decoded.has_value());
    ASPEN_ASSERT(configs.empty() || configs.back().id.index < entry.id.index);
    configs.push_back({entry.id, std::move(*decoded)});
    if (!mutant_active(Mutant::config_in_force_when_committed)) quorum = Quorum(config());
    config_changed = true;
    log.append(std::move(entry));
    if (role == RoleState::leader) sync_peers();
    return;
  }
  log.append(std::move(entry));
}

void Core::State::truncate(Index from) {
  ASPEN_ASSERT(from > commit);
  ASPEN_ASSERT(role != RoleState::leader);
  log.truncate(from);
  verified = std::min(verified, from - 1);
  if (disk.truncate(from)) {
    truncate_from = truncate_from ? std::min(*truncate_from, from) : from;
  }
  const bool kept = mutant_active(Mutant::config_kept_on_truncation);
  while (!configs.empty() && configs.back().id.index >= from && !kept) {
    configs.pop_back();
    config_changed = true;
  }
  if (config_changed) quorum = Quorum(config());
}

// ---- inputs

void Core::State::on(const Tick&) {
  if (role == RoleState::leader) {
    tick_leader();
  } else {
    tick_election();
    tick_follower_reads();
  }
  tick_handover();
  invariants();
}

void Core::State::on(Received& received) {
  ASPEN_ASSERT(received.from.id != self.id);
  ASPEN_ASSERT(received.from.id.value != 0);
  if (!admits(received.from) || !pinned(received.from)) return;
  std::visit([&](auto& m) { on_message(received.from, m); }, received.message);
}

void Core::State::on(Propose& propose) {
  ASPEN_ASSERT(propose.request.value != 0);
  ASPEN_ASSERT(propose.kind == EntryKind::command);
  Completion refused{propose.request, Outcome::refused, LogId{}, Code::ok, leader};
  Entry entry{LogId{term(), log.last().index + 1}, propose.kind, std::move(propose.payload)};
  const std::uint64_t size_bytes = entry.size_bytes();
  if (entry.payload.size() > limits::entry_bytes_max) {
    refused.reason = Code::invalid_argument;
  } else if (role != RoleState::leader) {
    refused.reason = leader ? Code::not_leader : Code::no_leader;
  } else if (handover) {
    refused.refusal = Refusal::transferring;
    refused.reason = error_of(refused.refusal).code;
  } else if (uncommitted_bytes > 0 && uncommitted_bytes + size_bytes > tuning.uncommitted_bytes) {
    refused.reason = Code::overloaded;
  }
  if (refused.reason != Code::ok) {
    completions.push_back(refused);
    return;
  }
  proposals.push_back({propose.request, entry.id, size_bytes});
  uncommitted_bytes += size_bytes;
  append_entry(std::move(entry));
}

void Core::State::on(const LogDurable& done) {
  ASPEN_ASSERT(done.io <= disk.issued());
  disk.complete(done.io);
  if (role == RoleState::candidate) maybe_count_own_vote();
  if (role != RoleState::leader) return;
  maybe_commit();
  release_bytes();
}

void Core::State::on(const Applied& progress) {
  ASPEN_ASSERT(progress.index <= delivered);
  ASPEN_ASSERT(progress.durable <= progress.index);
  applied = std::max(applied, progress.index);
  applied_durable = std::max(applied_durable, progress.durable);
}

void Core::State::on(const PeerLink& link) {
  if (!admits(link.peer) || !pinned(link.peer)) return;
  if (link.up && link.peer.id == leader) ask_again();
  Progress* peer = role == RoleState::leader ? find_peer(link.peer.id) : nullptr;
  if (peer == nullptr) return;
  // What was in flight is probably gone; the stream starts over where the peer is known to be.
  restart_stream(*peer, peer->match.value == 0 ? log.last().index + 1 : peer->match + 1);
  peer->waiting = link.up ? 0 : 1;
  peer->told_commit = std::min(peer->told_commit, peer->match);
  ASPEN_ASSERT(peer->window.empty());
}

void Core::State::on(const Campaign&) {
  if (role == RoleState::leader || !may_campaign()) return;
  pre_campaign();
}

// ---- flush

Effects Core::State::flush() {
  ASPEN_ASSERT(soft_told.term <= term());
  Effects effects;
  if (role == RoleState::leader) {
    flush_leader();
  } else {
    flush_acknowledgement();
    flush_follower_reads();
  }
  flush_lost();
  note_membership();
  flush_io(effects);
  flush_commit(effects);
  maybe_purge(effects);
  effects.sends = std::exchange(sends, {});
  effects.reads = std::exchange(grants, {});
  effects.completions = std::exchange(completions, {});
  effects.snapshots = std::exchange(snapshots, {});
  if (std::exchange(config_changed, false)) {
    effects.config = configs.empty() ? LoggedConfig{} : configs.back();
  }
  if (soft() != soft_told) effects.soft = soft_told = soft();
  log.evict(std::min(disk.stable(), delivered), tuning.tail_bytes);
  ASPEN_ASSERT(disk.written() == log.last().index || disk.full());
  ASPEN_ASSERT(!hard_state_dirty || disk.full());
  return effects;
}

void Core::State::flush_leader() {
  advance_membership();
  grant_reads();  // what has come back makes room for the next round
  open_round();
  const bool repeat = heartbeat_due;
  replicate();
  grant_reads();  // a single voter needs nobody's answer
  advance_handover(repeat);
  maybe_retire();
}

void Core::State::flush_io(Effects& effects) {
  const bool appends = disk.written() < log.last().index;
  if (!appends && !hard_state_dirty && !truncate_from && !reset) return;
  // A disk that hangs must not gather writes without end: they become one when it goes on.
  if (disk.full()) return;
  LogIo& io = effects.io.emplace();
  io.reset = std::exchange(reset, std::nullopt);
  io.truncate_from = std::exchange(truncate_from, std::nullopt);
  io.append = log.copy(disk.written() + 1, log.last().index);
  io.id = disk.issue(log.last().index);
  if (hard_state_dirty) {
    io.hard_state = hard_state;
    hard_state_dirty = false;
    hard_state_io = io.id;
  }
  ASPEN_ASSERT(!io.truncate_from || *io.truncate_from > delivered);
  ASPEN_ASSERT(appends == !io.append.empty());
}

void Core::State::flush_commit(Effects& effects) {
  Index through = std::min(commit, disk.stable());
  if (mutant_active(Mutant::apply_beyond_stable)) through = std::min(commit, log.last().index);
  ASPEN_ASSERT(through >= delivered || mutant_active(Mutant::stable_kept_on_truncation) ||
               mutant_active(Mutant::apply_beyond_stable));
  through = std::max(through, delivered);
  effects.commit.after = delivered;
  effects.commit.through = through;
  effects.commit.entries = log.copy(std::max(delivered + 1, log.tail_first()), through);
  delivered = through;
}

// What is certain by now is said; the rest is unknown (F6).
void Core::State::flush_lost() {
  for (; !lost.empty(); lost.pop_front()) {
    const Proposal& proposal = lost.front();
    ASPEN_ASSERT(proposal.id.term <= term());
    Completion completion{proposal.request, Outcome::unknown, proposal.id, Code::leader_lost,
                          leader};
    if (proposal.id.index <= commit && proposal.id.index >= log.purged().index) {
      const bool same = log.term_at(proposal.id.index) == proposal.id.term;
      completion.outcome = same ? Outcome::committed : Outcome::overwritten;
      completion.reason = same ? Code::ok : Code::overwritten;
    } else if (mutant_active(Mutant::lost_reported_as_refused)) {
      completion.outcome = Outcome::refused;
      completion.reason = Code::not_leader;
    }
    completions.push_back(completion);
  }
}

// ---- the public face

Core::Core(BootState boot) : state_(std::make_unique<State>(std::move(boot))) {}
Core::Core(const Core& other) : state_(std::make_unique<State>(*other.state_)) {}
Core& Core::operator=(const Core& other) {
  if (this != &other) state_ = std::make_unique<State>(*other.state_);
  return *this;
}
Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;
Core::~Core() = default;

void Core::step(Input input) {
  std::visit([this](auto& in) { state_->on(in); }, input);
}

Effects Core::flush() {
  return state_->flush();
}

const Config& Core::config() const noexcept {
  return state_->config();
}

SoftState Core::soft() const noexcept {
  return state_->soft();
}

LoggedConfig Core::config_at(Index index) const {
  return state_->config_at(index);
}

bool Core::wants(const PeerId& to, const AppendSpec& spec) const noexcept {
  return state_->wants(to, spec);
}

std::optional<Term> Core::term_at(Index index) const noexcept {
  return state_->log.term_at(index);
}

bool operator==(const Core& a, const Core& b) noexcept {
  return *a.state_ == *b.state_;
}

Metrics Core::metrics() const {
  return state_->metrics();
}

std::uint64_t Core::hash() const noexcept {
  return state_->hash();
}

void Core::invariants() const noexcept {
  state_->invariants();
}

}  // namespace aspen::raft
