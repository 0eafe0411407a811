// The members around this replica: whom it links with, those that have no place yet or lost it, and
// its own end as a member.
#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/replica/errors.h"
#include "node/replica/raft_actor.h"

namespace aspen::replica {

namespace {
constexpr Duration probe_timeout = std::chrono::seconds(2);
constexpr Duration place_timeout = std::chrono::seconds(5);
constexpr Duration introduction_time = std::chrono::seconds(60);  // it is repeated where it matters

// Whom a new node has to expect. Its identity file has no room for what it does not need.
Config to_expect(const Config& config, const PeerId& newcomer) {
  Config out = config;
  for (Member& member : out.members) {
    if (member.peer.id == newcomer.id) {
      member.peer = newcomer;
    } else {
      member.client_addresses.clear();
    }
  }
  return out;
}

// While there is room.
void insert(Config& config, const Member& member) {
  if (config.members.size() >= limits::members_max) return;
  const auto at = std::ranges::lower_bound(config.members, member.peer.id, {},
                                           [](const Member& m) { return m.peer.id; });
  const bool there = at != config.members.end() && at->peer.id == member.peer.id;
  if (!there) config.members.insert(at, member);
}
}  // namespace

void RaftActor::on_config(const Config& config) noexcept {
  const std::shared_ptr<const Config> former = std::move(config_);
  config_ = std::make_shared<const Config>(config);
  std::erase_if(farewells_, [&config](const Farewell& each) {
    return config.find(each.member.peer.id) != nullptr;
  });
  for (const Member& member : former ? former->members : std::vector<Member>()) {
    if (config.find(member.peer.id) == nullptr) farewells_.push_back({member, std::nullopt});
  }
  if (farewells_.size() > limits::members_max) {
    farewells_.erase(farewells_.begin(), farewells_.end() - limits::members_max);
  }
  ASPEN_ASSERT(config_ != nullptr);
  tell_members();
}

// Whom to expect besides the members by this node's log, which may end long before those joined
// that lead now: nobody else could bring it the rest. Null: nobody.
const Config* RaftActor::expected_members() const noexcept {
  ASPEN_ASSERT(config_ != nullptr);
  if (introduced_) return &*introduced_;
  const bool joins = identity_.joined && config_->find(identity_.self.id) == nullptr;
  return joins && !identity_.removed ? &identity_.bootstrap : nullptr;
}

// Those that left stay for a while, as far as there is room.
void RaftActor::tell_members() noexcept {
  ASPEN_ASSERT(config_ != nullptr);
  Config told = *config_;
  if (const Config* expected = expected_members()) {
    // The newer word on who is at an address.
    std::erase_if(told.members, [&](const Member& member) {
      return std::ranges::any_of(expected->members, [&](const Member& m) {
        return m.peer.id == member.peer.id || m.peer_address == member.peer_address;
      });
    });
    for (const Member& member : expected->members) insert(told, member);
  }
  for (const Farewell& each : farewells_) insert(told, each.member);
  ASPEN_ASSERT(told.members.size() <= limits::members_max);
  ports_.peers.set_members(identity_.cluster, identity_.self, told);
}

void RaftActor::expire_farewells() noexcept {
  if (silent_from_ && *silent_from_ <= ports_.clock.now()) {
    silent_from_.reset();
    ports_.peers.set_members(identity_.cluster, identity_.self, Config{});
  }
  if (introduced_ && introduced_until_ <= ports_.clock.now()) {
    introduced_.reset();
    tell_members();
  }
  if (farewells_.empty() || !core_.has_value() || identity_.removed) return;
  const raft::Metrics metrics = core_->metrics();
  if (metrics.joint || metrics.config.index > metrics.commit.index) return;
  const Instant now = ports_.clock.now();
  for (Farewell& each : farewells_) {
    if (!each.until) each.until = now + 3 * options_.election_timeout;
  }
  const std::size_t gone = std::erase_if(farewells_, [now](const Farewell& each) {
    return each.until.has_value() && *each.until <= now;
  });
  if (gone > 0) tell_members();
}

// Members that are not bound, and those that are silent: at their addresses may be nodes that have
// no place yet, or that do not know this one. Whoever cannot win an election may need their votes.
void RaftActor::look_after_members(Context& context) noexcept {
  if (!core_.has_value() || identity_.removed) return;
  const raft::RoleState role = core_->soft().role;
  if (role == raft::RoleState::follower) return;
  const raft::Metrics metrics = core_->metrics();
  for (const Member& member : core_->config().members) {
    if (member.peer.id == identity_.self.id || probing_.contains(member.peer.id)) continue;
    const auto peer = std::ranges::find(metrics.peers, member.peer.id,
                                        [](const raft::PeerMetrics& m) { return m.peer.id; });
    const bool active = peer != metrics.peers.end() && peer->active;
    const bool bound = !member.peer.incarnation.empty();
    if (bound && active) continue;
    probing_.insert(member.peer.id);
    ports_.peers.probe(
        member.peer_address, probe_timeout,
        [self = context.self(), id = member.peer.id](Result<wire::ProbeReply> reply) {
          ASPEN_MAYBE(self.tell(MemberFound{id, std::move(reply)}).has_value());
        });
  }
  ASPEN_ASSERT(probing_.size() <= 2 * limits::members_max);
}

void RaftActor::on(MemberFound&& message, Context& context) noexcept {
  probing_.erase(message.member);
  if (!core_.has_value() || identity_.removed || !message.reply) return;
  if (core_->soft().role == raft::RoleState::follower) return;
  const Member* member = core_->config().find(message.member);
  if (member != nullptr) adopt(*member, *message.reply, context);
}

// Safety: a bound member is only ever the directory that it is bound to.
void RaftActor::adopt(const Member& member, const wire::ProbeReply& found, Context&) noexcept {
  ASPEN_ASSERT(core_.has_value());
  ASPEN_ASSERT(member.peer.id != identity_.self.id);
  const bool bound = !member.peer.incarnation.empty();
  const bool empty = found.cluster.value == 0;
  const bool placed = found.cluster == identity_.cluster && found.self.id == member.peer.id;
  const bool leads = core_->soft().role == raft::RoleState::leader;
  if (bound) {
    const bool itself = found.self.incarnation == member.peer.incarnation;
    if (itself && (placed || (empty && leads))) place(member);
    return;
  }
  if (!empty && !placed) return;
  const raft::Metrics metrics = core_->metrics();
  const bool at_rest = !metrics.joint && metrics.config.index <= metrics.commit.index;
  if (leads && at_rest) {
    const wire::BindMember bind{member.peer.id, found.self.incarnation, found.name,
                                found.client_address};
    return serve(ServedControl{}, wire::MembershipRequest{bind, metrics.config});
  }
  // A voter that the change itself, or an election, waits for: it gets its place first, and is
  // bound when a leader can do it. The first directory that answers is the only one that the core
  // accepts.
  Member answered = member;
  answered.peer.incarnation = found.self.incarnation;
  if (empty && member.role == Role::voter) place(answered);
}

void RaftActor::place(const Member& member) noexcept {
  ASPEN_ASSERT(!member.peer.incarnation.empty());
  if (member.peer.id == identity_.self.id) return;
  if (core_->config().find(member.peer.id) == nullptr) return;  // the next change removes it
  const wire::Assign assign{identity_.cluster, member.peer, to_expect(core_->config(), member.peer),
                            true};
  ASPEN_ASSERT(assign.config.find(member.peer.id) != nullptr);
  ports_.peers.assign(member.peer_address, assign, place_timeout,
                      [self = self_, id = member.peer.id](Result<void> result) {
                        ASPEN_MAYBE(self.tell(MemberPlaced{id, result}).has_value());
                      });
}

// Whoever hears a leader needs no introduction, and a removed node might introduce itself.
void RaftActor::on(Introduced&& message, Context&) noexcept {
  if (!core_.has_value() || identity_.removed || core_->soft().leader.value != 0) return;
  if (message.members.find(identity_.self.id) == nullptr) return;
  introduced_ = std::move(message.members);
  introduced_until_ = ports_.clock.now() + introduction_time;
  tell_members();
}

// A refusal or silence is found again by the next look.
void RaftActor::on(MemberPlaced&& message, Context&) noexcept {
  if (message.result) {
    ports_.log.info("raft", "a member has its place", {{"member", message.member}});
  } else {
    ports_.log.warn("raft", "a member did not take its place yet",
                    {{"member", message.member}, {"error", message.result.error()}});
  }
}

// The cluster removed this member. From now on it says nothing, also after a restart: its votes and
// acknowledgements would count for a cluster that it knows nothing of.
void RaftActor::seal() noexcept {
  if (identity_.removed) return;
  ASPEN_ASSERT(identity_.started);
  Identity sealed = identity_;
  sealed.removed = true;
  const Result<void> saved = ports_.identity.save(sealed);
  if (!saved) {
    ports_.log.error("raft", "the identity of a removed member was not sealed on its disk",
                     {{"error", saved.error()}});
  }
  identity_ = std::move(sealed);
  // What it said as a member has to leave first: to whoever takes over, and to who asked for it.
  silent_from_ = ports_.clock.now() + options_.election_timeout;
  ports_.log.warn("raft", "the cluster removed this member: it takes part no more",
                  {{"node", identity_.self.id}});
  soft_.leader = NodeId();
  soft_.role = raft::RoleState::follower;
  fail_requests(error_removed);
  publish_health();
}

}  // namespace aspen::replica
