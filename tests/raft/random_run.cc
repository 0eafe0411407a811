#include "tests/raft/random_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/raft/cluster.h"

namespace aspen::raft {
namespace {

Tuning any_tuning(Prng& dice) {
  Tuning t = small_tuning();
  t.election_ticks_min = static_cast<std::uint32_t>(dice.between(6, 12));
  t.heartbeat_ticks = static_cast<std::uint32_t>(dice.between(1, 2));
  t.append_bytes = dice.chance(1, 2) ? dice.between(1, 200) : 4096;
  t.window_bytes = dice.chance(1, 2) ? dice.between(1, 400) : 65536;
  t.window_appends = static_cast<std::uint32_t>(dice.between(1, 4));
  t.uncommitted_bytes = dice.chance(1, 2) ? dice.between(1, 400) : 65536;
  t.tail_bytes = dice.chance(1, 2) ? 0 : dice.between(1, 2000);
  t.read_rounds = static_cast<std::uint32_t>(dice.between(1, 4));
  t.purge_entries = dice.between(1, 20);
  return t;
}

class Run {
 public:
  Run(std::uint64_t nodes, std::uint64_t seed)
      : dice_(seed), cluster_(nodes, dice_.next(), any_tuning(dice_)) {
    cluster_.automatic_disks = false;
    cluster_.passes = [this](const Packet& p) {
      return !cut_.contains({p.from.id.value, p.to.id.value});
    };
    loss_percent_ = dice_.chance(1, 2) ? 0 : dice_.below(30);
    crash_permille_ = dice_.chance(1, 2) ? 0 : dice_.below(20);
  }

  void go(std::uint64_t steps) {
    for (std::uint64_t i = 0; i < steps && !testing::Test::HasFailure(); ++i) step();
    if (!testing::Test::HasFailure()) isolate_the_leader_at_last();
    if (!testing::Test::HasFailure()) heal();
    if (!testing::Test::HasFailure()) check_clients();
  }
  [[nodiscard]] std::size_t committed() const { return cluster_.committed.size(); }

 private:
  struct ClientRead {
    std::uint64_t node;
    std::uint64_t request;
    Index floor;  // what was acknowledged before the read began
    std::uint64_t boot;
  };

  std::uint64_t any_node() { return 1 + dice_.below(cluster_.size()); }

  void step() {
    const std::uint64_t n = any_node();
    Node& node = cluster_.node(n);
    const std::uint64_t what = dice_.below(1000);
    if (what < 120) {
      if (n != slow_node_ || dice_.chance(1, 20)) cluster_.tick(n);
    } else if (what < 550) {
      deliver();
    } else if (what < 750) {
      cluster_.sync(n, 1 + dice_.below(3));
    } else if (what < 850) {
      propose(n);
    } else if (what < 900) {
      read(n);
    } else if (what < 920) {
      node.applied_durable = Index(dice_.between(
          node.applied_durable.value, std::max(node.applied, node.applied_durable).value));
      if (node.core) cluster_.turn(n, {Applied{node.applied, node.applied_durable}});
    } else if (what < 930) {
      cluster_.turn(n, {PeerLink{peer_id(any_other(n)), dice_.chance(1, 2)}});
    } else if (what < 940) {
      cut_.insert({n, any_node()});
    } else if (what < 950) {
      if (dice_.chance(1, 2)) cut_.clear();
    } else if (what < 953) {
      suspend_the_leader();
    } else if (what < 956) {
      strand_the_leader();
    } else {
      crash_or_restart(n);
    }
    note_acknowledged();
  }

  // Its clock stands still, so that it thinks it leads while the others choose anew.
  void suspend_the_leader() {
    slow_node_ = dice_.chance(1, 3) ? 0 : cluster_.leader();
    if (slow_node_ == 0) return;
    for (std::uint64_t n = 1; n <= cluster_.size(); ++n) {
      cut_.insert({n, slow_node_});
      cut_.insert({slow_node_, n});
    }
  }

  // It reaches a minority only, or one peer: entries spread halfway and wait for a later leader
  // (thesis 3.6.2, Figure 3.7).
  void strand_the_leader() {
    const std::uint64_t leader = cluster_.leader();
    if (leader == 0 || cluster_.size() == 1) return;
    const std::uint64_t spared = any_other(leader);
    for (std::uint64_t n = 1; n <= cluster_.size(); ++n) {
      if (n != spared) cut_.insert({leader, n});
    }
  }

  std::uint64_t any_other(std::uint64_t n) {
    return cluster_.size() == 1 ? 99 : 1 + (n + dice_.below(cluster_.size() - 1)) % cluster_.size();
  }

  void deliver() {
    if (cluster_.network.empty()) return;
    const bool in_order = dice_.chance(1, 2);
    const std::size_t at = in_order ? 0 : dice_.below(cluster_.network.size());
    if (dice_.below(100) < loss_percent_) {
      cluster_.drop(at);
      return;
    }
    if (dice_.chance(1, 20)) cluster_.network.push_back(cluster_.network[at]);
    cluster_.deliver(at);
  }

  void propose(std::uint64_t n) {
    if (!cluster_.node(n).core) return;
    // The payload is the number of the request that propose() is about to give.
    const std::string text = std::to_string(next_) + std::string(dice_.below(60), '.');
    ASSERT_EQ(cluster_.propose(n, text), next_);
    ++next_;
  }

  void read(std::uint64_t n) {
    if (!cluster_.node(n).core) return;
    reads_.push_back({n, cluster_.read(n), acknowledged_, boots_[n]});
    ++next_;
  }

  std::uint64_t any_candidate(std::uint64_t otherwise) {
    for (std::uint64_t n = 1; n <= cluster_.size(); ++n) {
      const Node& node = cluster_.node(n);
      if (node.core && node.core->soft().role == RoleState::candidate) return n;
    }
    return otherwise;
  }

  void crash_or_restart(std::uint64_t n) {
    if (cluster_.leader() != 0 && dice_.chance(1, 2)) n = cluster_.leader();
    // A candidate has most to lose: a vote that is not on its disk yet.
    if (dice_.chance(1, 4)) n = any_candidate(n);
    Node& node = cluster_.node(n);
    if (!node.core) {
      cluster_.restart(n);
    } else if (dice_.below(40) < crash_permille_) {
      cluster_.crash(n, dice_.below(node.writing.size() + 1));
      ++boots_[n];
    }
  }

  // Every answer a client could have seen by now.
  void note_acknowledged() {
    for (std::uint64_t n = 1; n <= cluster_.size(); ++n) {
      for (const Completion& done : cluster_.node(n).completions) note(done);
      cluster_.node(n).completions.clear();
      for (const ReadGrant& grant : cluster_.node(n).grants) note(n, grant);
      cluster_.node(n).grants.clear();
    }
  }
  void note(const Completion& done) {
    ASSERT_TRUE(answers_.emplace(done.request.value, done).second) << "two answers to one request";
    if (done.outcome == Outcome::committed) {
      acknowledged_ = std::max(acknowledged_, done.id.index);
    }
  }
  void note(std::uint64_t n, const ReadGrant& grant) {
    const auto read = std::find_if(reads_.begin(), reads_.end(), [&](const ClientRead& r) {
      return r.request == grant.request.value;
    });
    ASSERT_NE(read, reads_.end());
    ASSERT_EQ(read->node, n);
    ASSERT_GE(grant.index, read->floor) << "a stale read";
    ASSERT_FALSE(answers_.contains(grant.request.value));
    answers_.emplace(grant.request.value, Completion{});
  }

  // A leader that hears nobody gives up within T, also if the others hear it (thesis 6.2).
  void isolate_the_leader_at_last() {
    const std::uint64_t leader = cluster_.leader();
    if (leader == 0 || cluster_.size() == 1 || dice_.chance(1, 2)) return;
    for (std::uint64_t n = 1; n <= cluster_.size(); ++n) cut_.insert({n, leader});
    for (std::uint64_t i = 0; i <= cluster_.node(leader).tuning.election_ticks_min; ++i) {
      cluster_.tick(leader);
    }
    ASSERT_FALSE(cluster_.node(leader).leads()) << "a leader without a quorum went on";
  }

  void heal() {
    cut_.clear();
    cluster_.automatic_disks = true;
    for (std::uint64_t n = 1; n <= cluster_.size(); ++n) {
      if (!cluster_.node(n).core) cluster_.restart(n);
      cluster_.sync(n, cluster_.node(n).writing.size());
    }
    ASSERT_NE(cluster_.elect(500), 0U);
    // A leader that was about to give up may do so.
    for (int i = 0; i < 30; ++i) {
      cluster_.tick_all();
      cluster_.settle();
    }
    const std::uint64_t leader = cluster_.elect(500);
    ASSERT_NE(leader, 0U);
    for (int i = 0; i < 60; ++i) {
      cluster_.tick_all();
      cluster_.settle();
    }
    ASSERT_EQ(cluster_.leader(), leader) << "a healthy leader was deposed";
    const std::uint64_t request = cluster_.propose(leader, std::to_string(next_));
    ++next_;
    cluster_.settle();
    ASSERT_NE(cluster_.node(leader).completion(request), nullptr) << "a healed cluster is stuck";
    const Metrics m = cluster_.node(leader).metrics();
    EXPECT_EQ(m.uncommitted_bytes, 0U);
    for (const PeerMetrics& peer : m.peers) {
      EXPECT_EQ(peer.match, m.last.index);
      EXPECT_EQ(peer.in_flight_bytes, 0U);
    }
    for (std::uint64_t n = 1; n <= cluster_.size(); ++n) {
      EXPECT_EQ(cluster_.node(n).applied, m.last.index);
      EXPECT_EQ(cluster_.node(n).metrics().reads_pending, 0U) << "a read hangs";
    }
    note_acknowledged();
  }

  void check_clients() {
    std::map<std::uint64_t, std::uint64_t> index_of;  // request to index
    for (const auto& [index, entry] : cluster_.committed) {
      if (entry.kind != EntryKind::command) continue;
      const std::uint64_t request = std::stoull(std::string(entry.payload.view()));
      ASSERT_TRUE(index_of.emplace(request, index).second) << "committed twice";
    }
    for (const auto& [request, done] : answers_) {
      const auto at = index_of.find(request);
      if (done.outcome == Outcome::committed && done.id.index.value != 0) {
        ASSERT_NE(at, index_of.end());
        ASSERT_EQ(at->second, done.id.index.value);
      } else if (done.request.value != 0 && done.outcome != Outcome::unknown) {
        ASSERT_EQ(at, index_of.end()) << "a definite refusal was committed";
      }
    }
    for (const ClientRead& read : reads_) {
      // A crash takes the reads of its node with it; nobody else's may go unanswered.
      EXPECT_TRUE(boots_[read.node] != read.boot || answers_.contains(read.request));
    }
  }

  Prng dice_;
  Cluster cluster_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> cut_;
  std::uint64_t loss_percent_ = 0;
  std::uint64_t slow_node_ = 0;  // its clock hardly runs
  std::uint64_t crash_permille_ = 0;
  std::uint64_t next_ = 1;
  std::vector<ClientRead> reads_;
  std::map<std::uint64_t, std::uint64_t> boots_;
  std::map<std::uint64_t, Completion> answers_;
  Index acknowledged_;
};

}  // namespace

std::size_t random_run(std::uint64_t nodes, std::uint64_t seed) {
  SCOPED_TRACE("nodes " + std::to_string(nodes) + " seed " + std::to_string(seed));
  Run run(nodes, seed);
  run.go(6000);
  return run.committed();
}

}  // namespace aspen::raft
