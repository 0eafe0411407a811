// The replica's Peers over the cluster layer, and the cluster layer's handlers over the replica's
// actors.
//
// Owner: the assembly. Thread: as Peers; the handlers run on the NodeServer's thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/cluster/node_messages.h"
#include "node/port/log.h"
#include "node/replica/node_actor.h"
#include "node/replica/peers.h"

namespace aspen {

class ClusterPeers final : public replica::Peers {
 public:
  // A membership that finds the NodeServer's mailbox full is told again before the next casts.
  ClusterPeers(cluster::NodeRef server, std::string name)
      : server_(server), name_(std::move(name)) {}
  // Whom to tell of forwards that did not leave. Before the System starts.
  void set_raft(actor::Ref<replica::RaftProtocol> raft) { raft_ = raft; }

  void cast(std::vector<replica::OutgoingCast> casts) override;
  void transfer(replica::OutgoingCast cast) override;
  void set_members(ClusterId cluster, const PeerId& self, const Config& config) override;
  void probe(const std::string& address, Duration timeout,
             std::function<void(Result<wire::ProbeReply>)> done) override;
  void assign(const std::string& address, const wire::Assign& assign, Duration timeout,
              std::function<void(Result<void>)> done) override;

 private:
  // Tells the NodeServer the membership; true if it has it.
  [[nodiscard]] bool tell_members();

  struct Membership {
    ClusterId cluster;
    PeerId self;
    Config config;
  };

  cluster::NodeRef server_;
  std::string name_;
  std::optional<Membership> untold_;  // the newest, while the NodeServer's mailbox is full
  actor::Ref<replica::RaftProtocol> raft_;
};

struct ClusterTargets {
  actor::Ref<replica::RaftProtocol> raft;
  actor::Ref<replica::NodeProtocol> node;
  LogSink& log;
};

// Fills in what a NodeServer does with what arrives. Before the System starts.
void connect_handlers(cluster::NodeMemory& memory, const ClusterTargets& targets);

}  // namespace aspen
