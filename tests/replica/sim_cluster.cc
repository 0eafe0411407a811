#include "tests/replica/sim_cluster.h"

#include <cstring>

#include "node/base/assert.h"
#include "node/kv/command.h"
#include "node/wire/raft_codec.h"
#include "node/wire/snapshot_codec.h"

namespace aspen::replica {

void told(const Result<void>& sent) {
  ASPEN_ASSERT(sent.has_value());
}

void SeededEntropy::fill(std::span<std::byte> space) noexcept {
  for (std::byte& byte : space) byte = static_cast<std::byte>(prng_.next());
}

Result<Identity> MemoryIdentityStore::load(const std::optional<Identity>& slot) {
  if (!slot) return fail(Code::not_found, "no identity");
  return decode_identity(encode(*slot));
}

Result<void> MemoryIdentityStore::save(std::optional<Identity>& slot, const Identity& value) const {
  if (full) return fail(Code::no_space, "the disk is full");
  slot = value;
  return {};
}

SimNode::SimNode(SimCluster& of, std::size_t number)
    : cluster(of), index(number), entropy(of.prng.split("entropy", number)) {
  Identity born;
  born.name = "n" + std::to_string(index + 1);
  born.self.incarnation = {entropy.u64(), entropy.u64()};
  identity.identity = born;
}

void SimNode::start() {
  ASPEN_ASSERT(system == nullptr);
  actor::SystemOptions options;
  options.seed = entropy.u64();
  options.on_give_up = [this](const Error& error) { fatal.errors.push_back(error); };
  system = std::make_unique<actor::SimSystem>(options, cluster.world);
  const auto open_log = [this](const Identity&) -> Result<std::shared_ptr<LogStore>> {
    if (log_faults.open_full) return fail(Code::no_space, "the disk is full");
    log->restart(0);
    return std::make_shared<FaultyLog>(log, log_faults);
  };
  ReplicaOptions replica;
  replica.reserve_bytes = 1000;
  replica.log_bytes_max = log_bytes_max;
  raft = system
             ->spawn<RaftActor>(actor::ChildOptions{},
                                ReplicaPorts{cluster.world, entropy, identity, open_log, state,
                                             [this] { return free_bytes; }, *this, health,
                                             telemetry, log_sink, fatal, &files, "snapshots"},
                                replica)
             .value();
  node = system
             ->spawn<NodeActor>(actor::ChildOptions{},
                                NodeActor::Parts{cluster.world, entropy, identity, *this, log_sink,
                                                 fatal, raft, advertised})
             .value();
}

void SimNode::crash(std::optional<std::size_t> kept) {
  ASPEN_ASSERT(system != nullptr);
  system->crash();
  system.reset();
  raft = {};
  node = {};
  files.restart(contract::Crash::process, cluster.prng);
  state.crash(kept.value_or(cluster.prng.below(state.unflushed() + 1)));
}

// Casts travel as bytes and take a millisecond or two; those of one turn keep their order.
void SimNode::cast(std::vector<OutgoingCast> casts) {
  for (OutgoingCast& each : casts) {
    if (cluster.unsent && cluster.unsent(each)) {
      if (each.type == wire::cast_control) {
        const wire::Control control = wire::decode_control(each.payload).value();
        told(raft.tell(ControlAnswered{
            {each.to, {}},
            {control.origin, control.sequence,
             wire::ControlRefusal{raft::Refusal::none, wire::Objection::not_leader}}}));
      }
      if (each.type != wire::cast_forward) continue;
      const wire::Forward forward = wire::decode_forward(each.payload).value();
      told(raft.tell(ForwardRefused{
          {each.to, {}}, {forward.term, forward.origin, forward.sequence, Code::unavailable}}));
      continue;
    }
    SimNode* to = cluster.find(each.to);
    if (to == nullptr || cluster.isolated.count(index) > 0 ||
        cluster.isolated.count(to->index) > 0 || (cluster.lose && cluster.lose(each)) ||
        members.find(each.to) == nullptr) {
      continue;
    }
    const PeerId from = identity.identity->self;
    cluster.world.schedule(cluster.world.now() + std::chrono::milliseconds(1), [to, from,
                                                                                cast = each] {
      if (to->system == nullptr || to->members.find(from.id) == nullptr) return;
      if (cast.type == wire::cast_control) {
        told(to->raft.tell(ControlReceived{from, wire::decode_control(cast.payload).value()}));
      } else if (cast.type == wire::cast_control_reply) {
        told(
            to->raft.tell(ControlAnswered{from, wire::decode_control_reply(cast.payload).value()}));
      } else if (cast.type == wire::cast_snapshot) {
        // What arrives for a mailbox that is full is lost, as by a network.
        static_cast<void>(
            to->raft.tell(SnapshotReceived{from, wire::decode_snapshot(cast.payload).value()}));
      } else if (cast.type == wire::cast_raft) {
        told(to->raft.tell(PeerMessage{from, wire::decode_raft(cast.payload).value()}));
      } else if (cast.type == wire::cast_forward) {
        told(to->raft.tell(ForwardReceived{from, wire::decode_forward(cast.payload).value()}));
      } else {
        told(to->raft.tell(ForwardRefused{from, wire::decode_forward_reply(cast.payload).value()}));
      }
    });
  }
}

void SimNode::set_members(ClusterId, const PeerId&, const Config& config) {
  members = config;
}

// Addresses are the members' names.
void SimNode::probe(const std::string& address, Duration,
                    std::function<void(Result<wire::ProbeReply>)> done) {
  for (const auto& each : cluster.nodes) {
    const Identity& other = *each->identity.identity;
    if (address != other.name + ":2380") continue;
    if (each->system == nullptr || cluster.isolated.count(each->index) > 0) break;
    return done(wire::ProbeReply{other.cluster, other.self, other.name, other.name + ":2379"});
  }
  done(fail(Code::unavailable, "not reached"));
}

void SimNode::assign(const std::string& address, const wire::Assign& assign, Duration,
                     std::function<void(Result<void>)> done) {
  if (cluster.on_assign) cluster.on_assign();
  for (const auto& each : cluster.nodes) {
    if (address != each->identity.identity->name + ":2380") continue;
    if (each->system == nullptr || cluster.isolated.count(each->index) > 0) break;
    told(each->node.tell(PlaceAssigned{assign, [done](Result<PeerId> placed) {
                                         if (placed) return done({});
                                         done(tl::unexpected<Error>(placed.error()));
                                       }}));
    return;
  }
  done(fail(Code::unavailable, "not reached"));
}

SimNode::Answer SimNode::put(const std::string& key, const std::string& value, Duration timeout) {
  auto answer = std::make_shared<std::optional<Result<CommandReply>>>();
  kv::PutRequest request;
  request.key = key;
  request.value = value;
  raft.ask_from_outside(
      Propose{Bytes(kv::encode_request(request)), cluster.world.now() + timeout, false},
      [answer](Result<CommandReply>&& reply) { *answer = std::move(reply); });
  return answer;
}

SimNode::ReadAnswer SimNode::get(const std::string& key, Duration timeout) {
  auto answer = std::make_shared<std::optional<Result<ReadReply>>>();
  kv::RangeRequest request;
  request.key = key;
  raft.ask_from_outside(Read{request, cluster.world.now() + timeout},
                        [answer](Result<ReadReply>&& reply) { *answer = std::move(reply); });
  return answer;
}

SimNode::ControlSlot SimNode::control(decltype(Control::what) what, Duration timeout) {
  auto answer = std::make_shared<std::optional<Result<ControlAnswer>>>();
  raft.ask_from_outside(Control{std::move(what), cluster.world.now() + timeout},
                        [answer](Result<ControlAnswer>&& reply) { *answer = std::move(reply); });
  return answer;
}

// The answers outlive these calls: from inside a handler of the node asked, they come later.
NodePhase SimNode::phase() {
  const auto answer = std::make_shared<std::optional<Result<NodeState>>>();
  if (system == nullptr) return NodePhase::uninitialised;
  node.ask_from_outside(GetNode{},
                        [answer](Result<NodeState>&& seen) { *answer = std::move(seen); });
  cluster.world.run_until_idle();
  return *answer && **answer ? (**answer)->phase : NodePhase::uninitialised;
}

ReplicaView SimNode::view() {
  const auto answer = std::make_shared<std::optional<Result<ReplicaView>>>();
  if (system == nullptr) return {};
  raft.ask_from_outside(GetView{},
                        [answer](Result<ReplicaView>&& seen) { *answer = std::move(seen); });
  cluster.world.run_until_idle();
  return *answer && **answer ? std::move(***answer) : ReplicaView{};
}

SimCluster::SimCluster(std::size_t count, std::uint64_t seed) : world(seed), prng(seed) {
  for (std::size_t i = 0; i < count; ++i) nodes.push_back(std::make_unique<SimNode>(*this, i));
  for (const auto& node : nodes) node->start();
}

SimCluster::~SimCluster() {
  for (const auto& node : nodes) node->system.reset();
}

SimNode* SimCluster::find(NodeId id) {
  for (const auto& node : nodes) {
    if (node->identity.identity->self.id == id) return node.get();
  }
  return nullptr;
}

InitCluster SimCluster::init_request(std::size_t members) const {
  InitCluster request;
  for (const auto& node : nodes) {
    if (request.members.size() == members) break;
    const std::string& name = node->identity.identity->name;
    request.members.push_back({name, name + ":2380", {name + ":2379"}});
  }
  request.deadline = world.now() + std::chrono::seconds(10);
  return request;
}

void SimCluster::init(std::size_t members) {
  std::optional<Result<Identity>> answer;
  at(0).node.ask_from_outside(init_request(members), [&answer](Result<Identity>&& identity) {
    answer = std::move(identity);
  });
  ASPEN_ASSERT(run_until([&] { return answer.has_value(); }));
  ASPEN_ASSERT(answer->has_value());
  ASPEN_ASSERT(run_until([this] { return leader().has_value(); }));
}

bool SimCluster::run_until(const std::function<bool()>& condition) {
  for (int i = 0; i < 6'000; ++i) {
    if (condition()) return true;
    run_for(std::chrono::milliseconds(10));
  }
  return condition();
}

std::optional<std::size_t> SimCluster::leader() {
  for (const auto& node : nodes) {
    if (isolated.count(node->index) > 0) continue;
    if (node->view().raft.soft.role == raft::RoleState::leader) return node->index;
  }
  return std::nullopt;
}

}  // namespace aspen::replica
