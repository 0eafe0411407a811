// What must hold of single inputs and outputs of a core, whatever becomes of them: for mistakes
// that the rest of the core makes up for most of the time.
#include <fmt/format.h>

#include "node/base/assert.h"
#include "tests/sim/replica.h"

namespace aspen::sim {

namespace {

std::optional<raft::PeerMetrics> peer_in(const raft::Core& core, NodeId id) {
  for (const raft::PeerMetrics& peer : core.metrics().peers) {
    if (peer.peer.id == id) return peer;
  }
  return std::nullopt;
}

}  // namespace

void Replica::step(raft::Input input) {
  ASPEN_ASSERT(up());
  const bool ticks = std::holds_alternative<raft::Tick>(input);
  transfers_ = transfers_ || std::holds_alternative<raft::Transfer>(input);
  if (auto* sent = std::get_if<raft::SnapshotSent>(&input)) {
    step_transfer_result(std::move(*sent));
  } else {
    core_->step(std::move(input));
  }
  core_->invariants();
  if (ticks && transfers_) check_tick();
}

// E5: the end of an earlier stream's snapshot says nothing of the one that is on its way; and what
// a peer holds is known from the peer alone.
void Replica::step_transfer_result(raft::SnapshotSent sent) {
  const auto before = peer_in(*core_, sent.to.id);
  const raft::Epoch epoch = sent.epoch;
  const NodeId to = sent.to.id;
  core_->step(std::move(sent));
  const auto after = peer_in(*core_, to);
  if (!before || !after || world_.oracle().insight() == Insight::outside) return;
  if (after->match != before->match) {
    world_.oracle().violate(
        "an acknowledgement comes from the peer itself",
        fmt::format("n{} takes the end of a snapshot for one of n{}", node_, place_of(to)));
  }
  const bool waits = before->state == raft::ProgressState::snapshot;
  if (waits && before->epoch != epoch && after->epoch != before->epoch) {
    world_.oracle().violate("the end of an earlier snapshot changes nothing (E5)",
                            fmt::format("n{} begins anew with n{}", node_, place_of(to)));
  }
}

// A transfer that leads to nothing is given up after an election timeout: proposals wait for it.
void Replica::check_tick() {
  const bool under_way = core_->metrics().transfer_to.value != 0;
  transfer_ticks_ = under_way ? transfer_ticks_ + 1 : 0;
  if (transfer_ticks_ <= 4 * world_.plan().tuning.election_ticks_min) return;
  world_.oracle().violate("a transfer ends within an election timeout",
                          fmt::format("n{} is still at it after {} ticks", node_, transfer_ticks_));
}

// C1: a leader begins a change when an entry of its own term is committed, and none while the
// configuration in force is not.
void Replica::check_change(const std::vector<Entry>& append) {
  if (soft_.role != raft::RoleState::leader) return;
  if (world_.oracle().insight() == Insight::outside) return;
  const raft::Metrics metrics = core_->metrics();
  const std::vector<raft::LoggedConfig> known = disk_.view().configs();
  Index newest = known.empty() ? Index() : known.back().id.index;
  for (const Entry& entry : append) {
    if (entry.kind != EntryKind::config || entry.id.term != soft_.term) continue;
    if (metrics.commit.term != soft_.term) {
      world_.oracle().violate("a change follows a committed entry of the leader's term",
                              fmt::format("n{}, entry {}", node_, entry.id.index.value));
    }
    if (newest > metrics.commit.index) {
      world_.oracle().violate(
          "one change at a time",
          fmt::format("n{} appends {} behind {}, committed is {}", node_, entry.id.index.value,
                      newest.value, metrics.commit.index.value));
    }
    newest = entry.id.index;
  }
}

}  // namespace aspen::sim
