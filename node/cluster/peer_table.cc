#include "node/cluster/peer_table.h"

#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::cluster {

namespace {

void collect_links(const Peer& peer, std::vector<LinkNumber>& out) {
  if (peer.current.has_value()) out.push_back(*peer.current);
  if (peer.dialled.has_value() && peer.dialled != peer.current) out.push_back(*peer.dialled);
}

}  // namespace

std::vector<LinkNumber> PeerTable::set_members(const Config& members, NodeId self, Instant now) {
  ASPEN_ASSERT(members.members.size() <= limits::members_max);
  self_ = self;
  std::vector<LinkNumber> dropped;
  std::map<NodeId, Peer> kept;
  for (const Member& member : members.members) {
    if (member.peer.id == self) continue;
    const auto known = peers_.find(member.peer.id);
    if (known == peers_.end()) {
      Peer peer;
      peer.member = member;
      peer.backoff = Backoff(backoff_);
      peer.next_dial = now;
      kept.emplace(member.peer.id, std::move(peer));
      continue;
    }
    Peer peer = std::move(known->second);
    peers_.erase(known);
    const bool other_disk = peer.member.peer.incarnation != member.peer.incarnation &&
                            !peer.member.peer.incarnation.empty();
    const bool moved = peer.member.peer_address != member.peer_address;
    if (other_disk) collect_links(peer, dropped);
    if (moved) {
      peer.backoff.reset();
      peer.next_dial = now;
    }
    peer.member = member;
    kept.emplace(member.peer.id, std::move(peer));
  }
  for (const auto& [id, peer] : peers_) collect_links(peer, dropped);
  peers_ = std::move(kept);
  ASPEN_ASSERT(!peers_.contains(self));
  return dropped;
}

Peer* PeerTable::find(NodeId id) noexcept {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : &found->second;
}

std::vector<NodeId> PeerTable::due(Instant now) const {
  std::vector<NodeId> ids;
  for (const auto& [id, peer] : peers_) {
    if (!peer.current.has_value() && !peer.dialled.has_value() && now >= peer.next_dial) {
      ids.push_back(id);
    }
  }
  ASPEN_ASSERT(ids.size() <= limits::members_max);
  return ids;
}

void PeerTable::dial_started(NodeId id, LinkNumber link) {
  Peer* peer = find(id);
  ASPEN_ASSERT(peer != nullptr);
  ASPEN_ASSERT(!peer->dialled.has_value());
  peer->dialled = link;
}

void PeerTable::dial_failed(NodeId id, Instant now) {
  Peer* peer = find(id);
  ASPEN_ASSERT(peer != nullptr);
  ASPEN_ASSERT(!peer->dialled.has_value());
  peer->next_dial = now + peer->backoff.next(prng_);
}

PeerTable::Verdict PeerTable::on_proven(NodeId id, LinkNumber link) {
  ASPEN_ASSERT(self_ > id);
  Peer* peer = find(id);
  ASPEN_ASSERT(peer != nullptr);
  if (peer->current.has_value()) {
    ASPEN_ASSERT(*peer->current != link);
    const bool lost_by_follower = peer->confirmed() && link >= peer->confirmed_before;
    if (!lost_by_follower) return {.admit = false, .drop = {}, .drop_dial = {}};
  }
  Verdict verdict{.admit = true, .drop = peer->current, .drop_dial = {}};
  if (peer->dialled.has_value() && *peer->dialled != link) verdict.drop_dial = peer->dialled;
  peer->current = link;
  peer->confirmed_before = 0;
  return verdict;
}

void PeerTable::on_confirmed(NodeId id, LinkNumber link, LinkNumber next_link) {
  Peer* peer = find(id);
  ASPEN_ASSERT(peer != nullptr);
  ASPEN_ASSERT(peer->current == link);
  peer->confirmed_before = next_link;
  peer->backoff.reset();
  ++peer->epoch;
}

std::optional<LinkNumber> PeerTable::on_admitted(NodeId id, LinkNumber link, LinkNumber next_link) {
  ASPEN_ASSERT(self_ < id);
  Peer* peer = find(id);
  ASPEN_ASSERT(peer != nullptr);
  ASPEN_ASSERT(peer->current != link);
  const std::optional<LinkNumber> replaced = std::exchange(peer->current, link);
  on_confirmed(id, link, next_link);
  return replaced;
}

void PeerTable::on_closed(NodeId id, LinkNumber link, How how, Instant now) {
  Peer* peer = find(id);
  if (peer == nullptr) return;
  const bool was_ours = peer->current == link || peer->dialled == link;
  if (peer->current == link) {
    peer->current.reset();
    peer->confirmed_before = 0;
  }
  if (peer->dialled == link) peer->dialled.reset();
  // A duplicate is no failure: the other link is about to be admitted, or to end.
  if (how == How::duplicate) peer->backoff.reset();
  if (was_ours) peer->next_dial = now + peer->backoff.next(prng_);
}

}  // namespace aspen::cluster
