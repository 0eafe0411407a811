#include "node/gateway/gateway.h"

#include <utility>
#include <variant>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/command.h"
#include "node/kv/errors.h"
#include "node/kv/validate.h"
#include "node/replica/checkpoint.h"
#include "node/snapshot/container.h"

namespace aspen::gateway {

namespace {

// etcd's request timeout: 5 s, and time for two elections.
constexpr Duration request_timeout = std::chrono::seconds(5);

Header to_header(const replica::ReplyHeader& header) {
  return Header{header.cluster, header.member, header.revision, header.term};
}

Phase phase_of(replica::NodePhase phase) {
  switch (phase) {
    case replica::NodePhase::uninitialised:
      return Phase::uninitialised;
    case replica::NodePhase::starting:
      return Phase::starting;
    case replica::NodePhase::running:
      return Phase::running;
    case replica::NodePhase::draining:
      return Phase::draining;
    case replica::NodePhase::stopping:
      return Phase::stopping;
    case replica::NodePhase::removed:
      return Phase::removed;
    case replica::NodePhase::identity_lost:
      return Phase::identity_lost;
  }
  ASPEN_UNREACHABLE();
}

HashResult to_result(const kv::HashKvResponse& response) {
  return HashResult{response.hash, response.compact_revision, response.hash_revision};
}
HashResult to_result(const kv::HashResponse& response) {
  return HashResult{response.hash, 0, 0};
}

// Takes the one alternative that a request of its kind is answered with.
template <class T>
Done<replica::ReadResult> taking(Done<T> done) {
  return [done = std::move(done)](Result<Reply<replica::ReadResult>>&& reply) {
    if (!reply) return done(tl::unexpected<Error>(reply.error()));
    ASPEN_ASSERT(std::holds_alternative<T>(reply->body));
    done(Reply<T>{reply->header, std::get<T>(std::move(reply->body))});
  };
}

// The same for the two kinds of hash, which the services show alike.
template <class T>
Done<T> hashing(Done<HashResult> done) {
  return [done = std::move(done)](Result<Reply<T>>&& reply) {
    if (!reply) return done(tl::unexpected<Error>(reply.error()));
    done(Reply<HashResult>{reply->header, to_result(reply->body)});
  };
}

class CheckpointReader final : public SnapshotReader {
 public:
  explicit CheckpointReader(std::shared_ptr<const replica::Checkpoint> checkpoint)
      : checkpoint_(std::move(checkpoint)),
        size_bytes_(snapshot::container_bytes(checkpoint_->manifest())),
        source_(checkpoint_->files(), checkpoint_->directory(), checkpoint_->manifest()) {}

  [[nodiscard]] std::uint64_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] Result<std::string> next() override { return source_.next(); }

 private:
  const std::shared_ptr<const replica::Checkpoint> checkpoint_;
  const std::uint64_t size_bytes_;
  snapshot::ContainerSource source_;
};

}  // namespace

Deadline Gateway::default_deadline() const {
  return Deadline{parts_.clock.now() + request_timeout + 2 * options_.election_timeout};
}

template <class T>
void Gateway::propose(const kv::Request& request, Deadline deadline, Done<T> done) {
  if (const Result<void> valid = kv::validate(request); !valid) {
    return done(tl::unexpected<Error>(valid.error()));
  }
  if (const Result<void> valid = kv::validate_size(request); !valid) {
    return done(tl::unexpected<Error>(valid.error()));
  }
  const std::string encoded = kv::encode_request(request);
  // Very many tiny operations take more in a log entry than in etcd's encoding.
  if (encoded.size() + kv::command_header_bytes > limits::entry_bytes_max) {
    return done(tl::unexpected<Error>(kv::errors::request_too_large));
  }
  const auto* compact = std::get_if<kv::CompactRequest>(&request);
  replica::Propose propose{Bytes(encoded), deadline.at, compact != nullptr && compact->physical};
  parts_.raft.ask_from_outside(
      std::move(propose), [done = std::move(done)](Result<replica::CommandReply>&& reply) {
        if (!reply) return done(tl::unexpected<Error>(reply.error()));
        ASPEN_ASSERT(std::holds_alternative<T>(reply->response));
        done(Reply<T>{to_header(reply->header), std::get<T>(std::move(reply->response))});
      });
}

template <class T>
void Gateway::read(replica::ReadOperation operation, Consistency consistency, Deadline deadline,
                   Done<T> done) {
  auto finish = [done = taking<T>(std::move(done))](Result<replica::ReadReply>&& reply) {
    if (!reply) return done(tl::unexpected<Error>(reply.error()));
    done(Reply<replica::ReadResult>{to_header(reply->header), std::move(reply->result)});
  };
  if (consistency == Consistency::serializable) {
    parts_.raft.ask_from_outside(replica::LocalRead{std::move(operation), deadline.at},
                                 std::move(finish));
  } else {
    parts_.raft.ask_from_outside(replica::Read{std::move(operation), deadline.at},
                                 std::move(finish));
  }
}

void Gateway::range(kv::RangeRequest request, Deadline deadline, Done<kv::RangeResponse> done) {
  if (const Result<void> valid = kv::validate(request); !valid) {
    return done(tl::unexpected<Error>(valid.error()));
  }
  const auto consistency =
      request.serializable ? Consistency::serializable : Consistency::linearizable;
  read<kv::RangeResponse>(std::move(request), consistency, deadline, std::move(done));
}

void Gateway::put(kv::PutRequest request, Deadline deadline, Done<kv::PutResponse> done) {
  propose<kv::PutResponse>(std::move(request), deadline, std::move(done));
}

void Gateway::delete_range(kv::DeleteRangeRequest request, Deadline deadline,
                           Done<kv::DeleteRangeResponse> done) {
  propose<kv::DeleteRangeResponse>(std::move(request), deadline, std::move(done));
}

void Gateway::txn(kv::TxnRequest request, Deadline deadline, Done<kv::TxnResponse> done) {
  if (!kv::is_read_only(request)) {
    return propose<kv::TxnResponse>(std::move(request), deadline, std::move(done));
  }
  if (const Result<void> valid = kv::validate(request); !valid) {
    return done(tl::unexpected<Error>(valid.error()));
  }
  const auto consistency =
      kv::is_serializable(request) ? Consistency::serializable : Consistency::linearizable;
  read<kv::TxnResponse>(std::move(request), consistency, deadline, std::move(done));
}

void Gateway::compact(kv::CompactRequest request, Deadline deadline,
                      Done<kv::CompactResponse> done) {
  propose<kv::CompactResponse>(request, deadline, std::move(done));
}

void Gateway::hash_kv(std::int64_t revision, Deadline deadline, Done<HashResult> done) {
  read<kv::HashKvResponse>(replica::HashKvRead{revision}, Consistency::serializable, deadline,
                           hashing<kv::HashKvResponse>(std::move(done)));
}

void Gateway::hash(Deadline deadline, Done<HashResult> done) {
  read<kv::HashResponse>(replica::HashRead{}, Consistency::serializable, deadline,
                         hashing<kv::HashResponse>(std::move(done)));
}

void Gateway::members(Consistency consistency, Deadline deadline, Done<Config> done) {
  // Cluster-service answers carry no revision.
  auto without_revision = [done = std::move(done)](Result<Reply<Config>>&& reply) {
    if (reply) reply->header.revision = 0;
    done(std::move(reply));
  };
  read<Config>(replica::MembersRead{}, consistency, deadline, std::move(without_revision));
}

void Gateway::view(Deadline, Done<NodeView> done) {
  parts_.node.ask_from_outside(replica::GetNode{}, [done = std::move(done)](
                                                       Result<replica::NodeState>&& state) {
    if (!state) return done(tl::unexpected<Error>(state.error()));
    NodeView view;
    view.phase = phase_of(state->phase);
    view.cluster = state->identity.cluster;
    view.self = state->identity.self;
    view.name = state->identity.name;
    view.config = std::move(state->replica.config);
    view.raft = std::move(state->replica.raft);
    view.applied = state->replica.applied;
    view.db_bytes = state->replica.sizes.on_disk_bytes;
    view.db_in_use_bytes = state->replica.sizes.in_use_bytes;
    view.errors = std::move(state->errors);
    const Header header{view.cluster, view.self.id, state->replica.revision, view.raft.soft.term};
    done(Reply<NodeView>{header, std::move(view)});
  });
}

void Gateway::init(InitRequest request, Deadline deadline, Done<InitResult> done) {
  replica::InitCluster init{request.cluster, {}, deadline.at};
  for (InitMember& member : request.members) {
    init.members.push_back({std::move(member.name), std::move(member.peer_address),
                            std::move(member.client_addresses)});
  }
  parts_.node.ask_from_outside(
      std::move(init), [done = std::move(done)](Result<replica::Identity>&& identity) {
        if (!identity) return done(tl::unexpected<Error>(identity.error()));
        const Header header{identity->cluster, identity->self.id, 0, Term()};
        done(Reply<InitResult>{header, {identity->cluster, std::move(identity->bootstrap)}});
      });
}

template <class T>
void Gateway::control(decltype(replica::Control::what) what, Deadline deadline, Done<T> done) {
  parts_.raft.ask_from_outside(
      replica::Control{std::move(what), deadline.at},
      [done = std::move(done)](Result<replica::ControlAnswer>&& answer) {
        if (!answer) return done(tl::unexpected<Error>(answer.error()));
        ASPEN_ASSERT(std::holds_alternative<T>(answer->result));
        done(Reply<T>{to_header(answer->header), std::get<T>(std::move(answer->result))});
      });
}

void Gateway::change_membership(MembershipRequest request, Deadline deadline,
                                Done<MembershipResult> done) {
  if (std::holds_alternative<wire::BindMember>(request.what)) {
    return done(fail(Code::invalid_argument, "members are bound by the leader alone"));
  }
  const auto* change = std::get_if<ChangeVoters>(&request.what);
  if (change != nullptr && change->voters.size() > limits::members_max) {
    return done(tl::unexpected<Error>(raft::error_of(raft::Refusal::too_many_voters)));
  }
  control<MembershipResult>(std::move(request), deadline, std::move(done));
}

void Gateway::transfer_leadership(NodeId to, Deadline deadline, Done<TransferResult> done) {
  control<TransferResult>(wire::TransferRequest{to}, deadline, std::move(done));
}

// Bounded by the core's own time for a hand-over.
void Gateway::drain(Deadline, Done<DrainResult> done) {
  parts_.raft.ask_from_outside(replica::HandOver{replica::AfterHandOver::refuse_requests},
                               [done = std::move(done)](Result<replica::HandedOver>&& answer) {
                                 if (!answer) return done(tl::unexpected<Error>(answer.error()));
                                 done(Reply<DrainResult>{to_header(answer->header), {}});
                               });
}

void Gateway::snapshot(Done<SnapshotResult> done) {
  parts_.raft.ask_from_outside(
      replica::TakeSnapshot{}, [done = std::move(done)](Result<replica::SnapshotTaken>&& taken) {
        if (!taken) return done(tl::unexpected<Error>(taken.error()));
        ASPEN_ASSERT(taken->checkpoint != nullptr);
        const snapshot::Manifest& manifest = taken->checkpoint->manifest();
        done(Reply<SnapshotResult>{
            to_header(taken->header),
            {manifest.id, manifest.size_bytes(),
             std::make_shared<CheckpointReader>(std::move(taken->checkpoint))}});
      });
}

Health Gateway::health() const {
  return parts_.health.current(parts_.clock.now());
}

}  // namespace aspen::gateway
