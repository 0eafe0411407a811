// Speed of the Raft core alone: three cores in one thread, a disk that is memory, a network that is
// a vector. Prints entries committed per second of CPU in a closed loop at several depths.
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "node/raft/core.h"

namespace aspen::raft {
namespace {

constexpr std::uint64_t nodes = 3;
constexpr double seconds_per_depth = 1.0;

// Of this thread, so that other jobs of the machine do not count.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

PeerId peer_id(std::uint64_t n) {
  return PeerId{NodeId(n), Incarnation{1, n}};
}

struct Replica {
  Core core;
  std::vector<Input> inbox;
};

class Bench {
 public:
  Bench() {
    Config config;
    for (std::uint64_t n = 1; n <= nodes; ++n) {
      config.members.push_back(Member{peer_id(n), Role::voter, "n", "", {}});
    }
    for (std::uint64_t n = 1; n <= nodes; ++n) {
      BootState boot;
      boot.self = peer_id(n);
      boot.hard_state.term = Term(1);
      boot.runs = {{Index(1), Term(1)}};
      boot.last = Index(1);
      boot.configs = {{{Term(1), Index(1)}, config}};
      boot.seed = n;
      replicas_.push_back({Core(std::move(boot)), {}});
    }
    replicas_[0].inbox.emplace_back(Campaign{});
    while (replicas_[0].core.soft().role != RoleState::leader) round();
  }

  void run(std::uint64_t depth) {
    const std::uint64_t before = committed_;
    std::uint64_t rounds = 0;
    const double start = cpu_seconds();
    double seconds = 0;
    while (seconds < seconds_per_depth) {
      for (; outstanding_ < depth; ++outstanding_) {
        replicas_[0].inbox.emplace_back(
            Propose{RequestId(++last_request_), EntryKind::command, payload_});
      }
      round();
      if (++rounds % 16 != 0) continue;
      seconds = cpu_seconds() - start;
    }
    while (outstanding_ > 0) round();
    std::printf("%11llu %16.0f\n", static_cast<unsigned long long>(depth),
                static_cast<double>(committed_ - before) / seconds);
  }

 private:
  void round() {
    for (Replica& replica : replicas_) turn(replica);
  }

  void turn(Replica& replica) {
    inputs_.clear();
    std::swap(inputs_, replica.inbox);
    for (Input& input : inputs_) replica.core.step(std::move(input));
    Effects effects = replica.core.flush();
    const PeerId self = peer_id(static_cast<std::uint64_t>(&replica - replicas_.data()) + 1);
    for (Send& send : effects.sends) {
      Message& message = std::get<Message>(send.what);
      replicas_[send.to.id.value - 1].inbox.emplace_back(Received{self, std::move(message)});
    }
    if (effects.io) replica.inbox.emplace_back(LogDurable{effects.io->id});
    if (effects.commit.through > effects.commit.after) {
      replica.inbox.emplace_back(Applied{effects.commit.through, effects.commit.through});
    }
    for (const Completion& done : effects.completions) {
      if (done.outcome != Outcome::committed) continue;
      ++committed_;
      --outstanding_;
    }
  }

  std::vector<Replica> replicas_;
  std::vector<Input> inputs_;
  Bytes payload_{std::string(128, 'x')};
  std::uint64_t last_request_ = 0;
  std::uint64_t committed_ = 0;
  std::uint64_t outstanding_ = 0;
};

}  // namespace
}  // namespace aspen::raft

int main() {
  std::printf("outstanding  entries/CPU-s   (3 cores, one thread, 128 B)\n");
  aspen::raft::Bench bench;
  for (const std::uint64_t depth : {1U, 16U, 64U, 256U, 1024U, 4096U}) bench.run(depth);
  return 0;
}
