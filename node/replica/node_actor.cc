#include "node/replica/node_actor.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/replica/init_request.h"

namespace aspen::replica {

namespace {

constexpr Duration view_timeout = std::chrono::seconds(2);
constexpr Duration member_timeout = std::chrono::seconds(5);

std::uint64_t random_id(Entropy& entropy) {
  for (;;) {  // ends at once: 0 is one of 2^64
    const std::uint64_t id = entropy.u64();
    if (id != 0) return id;
  }
}

}  // namespace

Result<void> NodeActor::pre_start(Context&) noexcept {
  Result<Identity> identity = parts_.identity.load();
  if (!identity) {
    parts_.fatal.fail("identity", identity.error());
    return tl::unexpected<Error>(identity.error());
  }
  identity_ = std::move(*identity);
  return {};
}

void NodeActor::on(GetNode&&, actor::Responder<NodeState>&& responder, Context& context) noexcept {
  auto shared = std::make_shared<actor::Responder<NodeState>>(std::move(responder));
  const Result<void> asked = context.ask(
      parts_.raft, GetView{}, view_timeout,
      [shared](NodeActor& self, Result<ReplicaView>&& view, Context&) noexcept {
        NodeState state;
        state.identity = self.identity_;
        state.phase = self.identity_.initialised() ? NodePhase::starting : NodePhase::uninitialised;
        if (view && view->running) {
          state.phase = view->draining ? NodePhase::draining : NodePhase::running;
          state.replica = std::move(*view);
          if (state.replica.raft.soft.leader.value == 0) {
            state.errors.emplace_back("etcdserver: no leader");
          }
          if (state.replica.disk_full) state.errors.emplace_back("the disk is full");
        }
        if (!self.doubt_.empty()) state.phase = NodePhase::identity_lost;
        if (self.identity_.removed || (view && view->removed) || state.replica.removed) {
          state.phase = NodePhase::removed;
          state.errors.emplace_back("the cluster removed this member");
        }
        if (self.stopping_) state.phase = NodePhase::stopping;
        if (!self.doubt_.empty()) state.errors.push_back(self.doubt_);
        shared->reply(std::move(state));
      });
  if (!asked) shared->fail(asked.error());
}

void NodeActor::on(InitCluster&& message, actor::Responder<Identity>&& responder,
                   Context& context) noexcept {
  if (Result<void> valid = validate(message); !valid) return responder.fail(valid.error());
  if (identity_.initialised()) {
    if (same_cluster(message, identity_.cluster, identity_.bootstrap)) {
      return responder.reply(identity_);
    }
    return responder.fail(
        {Code::already_initialised, "init: this node belongs to a cluster with other members"});
  }
  if (init_.has_value()) {
    return responder.fail({Code::overloaded, "init: another one is going on at this node"});
  }
  const Result<std::size_t> self = find_self(message, identity_.name);
  if (!self) return responder.fail(self.error());
  ++round_;
  init_ = Init{};
  init_->request = std::move(message);
  init_->responder = std::move(responder);
  init_->self = *self;
  init_->probes.resize(init_->request.members.size());
  probe_others(context);
}

void NodeActor::probe_others(Context& context) noexcept {
  ASPEN_ASSERT(init_.has_value());
  const Duration timeout = std::min(member_timeout, init_->request.deadline - parts_.clock.now());
  init_->open = init_->request.members.size() - 1;
  for (std::size_t i = 0; i < init_->request.members.size(); ++i) {
    if (i == init_->self) continue;
    parts_.peers.probe(
        init_->request.members[i].peer_address, timeout,
        [self = context.self(), i, round = round_](Result<wire::ProbeReply> reply) {
          ASPEN_MAYBE(self.tell(MemberProbed{i, round, std::move(reply)}).has_value());
        });
  }
  if (init_->open == 0) plan_and_assign(context);
}

void NodeActor::on(MemberProbed&& message, Context& context) noexcept {
  if (!init_.has_value() || message.round != round_) return;  // an answer to a former Init
  if (init_->phase != Init::Phase::probing) return;
  if (!message.reply) {
    parts_.log.warn("init", "a member was not reached",
                    {{"name", init_->request.members[message.member].name},
                     {"address", init_->request.members[message.member].peer_address},
                     {"error", message.reply.error()}});
    const Error& why = message.reply.error();
    const bool typed = why.code == Code::unauthenticated || why.code == Code::unsupported;
    return end_init(typed ? why
                          : Error{Code::unavailable,
                                  "init: a member was not reached, nothing was changed",
                                  message.member});
  }
  if (message.reply->name != init_->request.members[message.member].name) {
    return end_init({Code::invalid_argument,
                     "init: the node at a member's address has another name", message.member});
  }
  init_->probes[message.member] = std::move(*message.reply);
  ASPEN_ASSERT(init_->open > 0);
  if (--init_->open == 0) plan_and_assign(context);
}

void NodeActor::plan_and_assign(Context& context) noexcept {
  Result<Identity> plan = make_plan();
  if (!plan) return end_init(plan.error());
  init_->plan = std::move(*plan);
  assign_others(context);
}

// The plan of a former try if it is for the same members, as they are now; otherwise a new one.
Result<Identity> NodeActor::make_plan() noexcept {
  Result<Identity> former = parts_.identity.load_plan();
  if (!former && former.error().code != Code::not_found) return former;
  const bool resumes = former.has_value() &&
                       former->self.incarnation == identity_.self.incarnation &&
                       same_cluster(init_->request, former->cluster, former->bootstrap);
  for (std::size_t i = 0; i < init_->probes.size(); ++i) {
    if (i == init_->self) continue;
    const wire::ProbeReply& probe = *init_->probes[i];
    if (probe.cluster.value == 0) continue;
    if (!resumes || probe.cluster != former->cluster) {
      return fail(Code::already_initialised, "init: a member belongs to a cluster already", i);
    }
  }
  bool same_incarnations = resumes;
  for (std::size_t i = 0; resumes && i < init_->probes.size(); ++i) {
    if (i == init_->self) continue;
    bool found = false;
    for (const Member& member : former->bootstrap.members) {
      found = found || member.peer.incarnation == init_->probes[i]->self.incarnation;
    }
    same_incarnations = same_incarnations && found;
  }
  if (same_incarnations) return former;
  return new_plan();
}

Result<Identity> NodeActor::new_plan() noexcept {
  Identity plan = identity_;
  plan.cluster = init_->request.cluster.value_or(ClusterId(random_id(parts_.entropy)));
  for (std::size_t i = 0; i < init_->request.members.size(); ++i) {
    const InitMember& asked = init_->request.members[i];
    const bool self = i == init_->self;
    if (!self && init_->probes[i]->cluster.value != 0) {
      return fail(Code::already_initialised, "init: a member belongs to a cluster already", i);
    }
    Member member;
    member.peer.id = NodeId(random_id(parts_.entropy));
    member.peer.incarnation =
        self ? identity_.self.incarnation : init_->probes[i]->self.incarnation;
    member.name = asked.name;
    member.peer_address = asked.peer_address;
    member.client_addresses = asked.client_addresses;
    if (self) plan.self = member.peer;
    plan.bootstrap.members.push_back(std::move(member));
  }
  auto& members = plan.bootstrap.members;
  std::sort(members.begin(), members.end(),
            [](const Member& a, const Member& b) { return a.peer.id < b.peer.id; });
  for (std::size_t i = 0; i + 1 < members.size(); ++i) {
    ASPEN_ASSERT(members[i].peer.id < members[i + 1].peer.id);
  }
  if (Result<void> saved = parts_.identity.save_plan(plan); !saved) {
    return tl::unexpected<Error>(saved.error());
  }
  half_done_ = false;  // no member has a place by the former plan
  return plan;
}

void NodeActor::assign_others(Context& context) noexcept {
  ASPEN_ASSERT(init_.has_value());
  init_->phase = Init::Phase::assigning;
  const Duration timeout = std::min(member_timeout, init_->request.deadline - parts_.clock.now());
  init_->open = init_->plan.bootstrap.members.size() - 1;
  for (std::size_t i = 0; i < init_->plan.bootstrap.members.size(); ++i) {
    const Member& member = init_->plan.bootstrap.members[i];
    if (member.peer == init_->plan.self) continue;
    const wire::Assign assign{init_->plan.cluster, member.peer, init_->plan.bootstrap};
    parts_.peers.assign(member.peer_address, assign, timeout,
                        [self = context.self(), i, round = round_](Result<void> result) {
                          ASPEN_MAYBE(self.tell(MemberAssigned{i, round, result}).has_value());
                        });
  }
  if (init_->open == 0) finish_init();
}

void NodeActor::on(MemberAssigned&& message, Context&) noexcept {
  if (!init_.has_value() || message.round != round_) return;  // an answer to a former Init
  if (init_->phase != Init::Phase::assigning) return;
  if (!message.result) {
    parts_.log.warn("init", "a member did not take its place",
                    {{"name", init_->plan.bootstrap.members[message.member].name},
                     {"error", message.result.error()}});
    init_->all_placed = false;
  }
  if (message.result || outcome_unknown(message.result.error().code)) init_->half_done = true;
  ASPEN_ASSERT(init_->open > 0);
  if (--init_->open > 0) return;  // whether nothing was changed is known by all answers only
  if (init_->all_placed) return finish_init();
  end_assigning("init: a member did not take its place; the same Init again goes on");
}

// Whoever is told `unavailable` may conclude that nothing took effect.
void NodeActor::end_assigning(const char* what) noexcept {
  ASPEN_ASSERT(init_->phase == Init::Phase::assigning);
  ASPEN_ASSERT(init_->open == 0);
  half_done_ = half_done_ || init_->half_done;
  end_init({half_done_ ? Code::connection_lost : Code::unavailable, what});
}

void NodeActor::finish_init() noexcept {
  const Result<void> taken = take_place(init_->plan);
  if (!taken && init_->plan.bootstrap.members.size() == 1) return end_init(taken.error());
  if (!taken) {
    parts_.log.warn("init", "this node did not take its place", {{"error", taken.error()}});
    return end_assigning("init: this node did not take its place; the same Init again goes on");
  }
  ASPEN_MAYBE(parts_.raft.tell(Initialised{true}).has_value());
  parts_.log.info("init", "the cluster is initialised",
                  {{"cluster", to_hex(identity_.cluster.value)}, {"node", identity_.self.id}});
  init_->responder.reply(identity_);
  init_.reset();
}

void NodeActor::end_init(const Error& error) noexcept {
  ASPEN_ASSERT(init_.has_value());
  init_->responder.fail(error);
  init_.reset();
}

Result<void> NodeActor::take_place(const Identity& place) noexcept {
  ASPEN_ASSERT(place.initialised());
  ASPEN_ASSERT(place.self.incarnation == identity_.self.incarnation);
  // Safety: a log and votes may stand under the first place already.
  ASPEN_ASSERT(!identity_.initialised());
  if (Result<void> saved = parts_.identity.save(place); !saved) return saved;
  identity_ = place;
  compare_addresses();
  return {};
}

// The membership has the last word: names of one address may differ.
void NodeActor::compare_addresses() noexcept {
  const Member* own = identity_.bootstrap.find(identity_.self.id);
  ASPEN_ASSERT(own != nullptr);
  const Advertised& said = parts_.advertised;
  if (!said.peer_address.empty() && said.peer_address != own->peer_address) {
    parts_.log.warn("init", "the cluster knows this node by another address than --advertise-peer",
                    {{"member", own->peer_address}, {"advertised", said.peer_address}});
  }
  const auto& clients = own->client_addresses;
  const bool known =
      std::find(clients.begin(), clients.end(), said.client_address) != clients.end();
  if (said.client_address.empty() || known || clients.empty()) return;
  parts_.log.warn("init", "the cluster knows this node by other addresses than --advertise-client",
                  {{"member", clients.front()}, {"advertised", said.client_address}});
}

void NodeActor::on(PlaceAssigned&& message, Context&) noexcept {
  const wire::Assign& assign = message.assign;
  if (identity_.initialised()) {
    // Binding twice to the same place succeeds.
    const bool same = identity_.cluster == assign.cluster && identity_.self == assign.self;
    if (same && assign.joining) {
      ASPEN_MAYBE(parts_.raft.tell(Introduced{assign.config}).has_value());
    }
    if (same) return message.done(identity_.self);
    return message.done(
        fail(Code::already_initialised, "assign: this node belongs to a cluster already"));
  }
  // Its own Init ends with a place too, and other members may have theirs by it.
  if (init_.has_value() || half_done_) {
    return message.done(fail(Code::overloaded, "assign: this node has an Init of its own to end"));
  }
  const Member* own = assign.config.find(assign.self.id);
  if (assign.self.incarnation != identity_.self.incarnation || own == nullptr ||
      own->peer != assign.self || assign.cluster.value == 0) {
    return message.done(fail(Code::wrong_incarnation, "assign: the place is another node's"));
  }
  Identity place = identity_;
  place.cluster = assign.cluster;
  place.self = assign.self;
  place.bootstrap = assign.config;
  place.joined = assign.joining;
  if (Result<void> taken = take_place(place); !taken) {
    return message.done(tl::unexpected<Error>(taken.error()));
  }
  ASPEN_MAYBE(parts_.raft.tell(Initialised{false}).has_value());
  parts_.log.info("init", "this node has its place in a cluster",
                  {{"cluster", to_hex(identity_.cluster.value)}, {"node", identity_.self.id}});
  message.done(identity_.self);
}

void NodeActor::on(IdentityRefused&& message, Context&) noexcept {
  if (linked_.empty()) doubt(std::move(message.reason));
}

void NodeActor::on(PeerLinkChanged&& message, Context&) noexcept {
  if (!message.up) {
    linked_.erase(message.peer.id);
    return;
  }
  ASPEN_ASSERT(message.peer.id.value != 0);
  linked_.insert(message.peer.id);
  if (!doubt_.empty()) doubt({});
}

// The first reason stays: the others are the same in the words of other members.
void NodeActor::doubt(std::string reason) noexcept {
  if (!doubt_.empty() && !reason.empty()) return;
  if (!reason.empty()) parts_.log.error("node", reason);
  doubt_ = std::move(reason);
  // Said again at the next refusal, if it is lost.
  if (!parts_.raft.tell(IdentityDoubted{doubt_})) doubt_.clear();
}

}  // namespace aspen::replica
