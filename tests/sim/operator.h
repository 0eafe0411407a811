// Who changes the cluster while it runs: random sets of voters and learners, promotions that may
// come too early, callers with a stale expectation, transfers of the leadership, lost disks and the
// nodes that replace them. It checks what it is told: each request ends once, a change that is said
// to be done is the committed one, and of two changes that expected the same only one is done.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "node/raft/core.h"
#include "tests/sim/dice.h"
#include "tests/sim/world.h"

namespace aspen::sim {

class Operator {
 public:
  explicit Operator(World& world);

  // Its requests are told from those of clients.
  [[nodiscard]] static bool is_own(raft::RequestId request) noexcept {
    return request.value >= first_request;
  }

  void change_membership();
  void transfer();
  // The node loses its disk, if that leaves the cluster able to go on.
  void lose_disk(std::size_t node, Time down);
  void heal() noexcept { healed_ = true; }
  // Asks a leader to hand over. Whether a request has led to it, and whether it has ended.
  [[nodiscard]] raft::RequestId hand_over(std::size_t leader, NodeId to);
  enum class Outcome : std::uint8_t { open, done, failed };
  [[nodiscard]] Outcome outcome(raft::RequestId request) const;

  // ---- what a node says
  void in_force(std::size_t node, const raft::LoggedConfig& config);
  void completed(std::size_t node, const raft::Completion& completion);

  void check_end();

 private:
  static constexpr std::uint64_t first_request = std::uint64_t{1} << 40U;

  struct Request {
    bool change = false;
    bool ended = false;
    std::size_t node = 0;  // who was asked
    std::uint32_t boot = 0;
    Config to;
    LogId expect;
    LogId done;
    bool succeeded = false;
  };

  [[nodiscard]] Request& at(raft::RequestId request) {
    return requests_[request.value - first_request];
  }
  [[nodiscard]] raft::RequestId next() const noexcept {
    return raft::RequestId(first_request + requests_.size());
  }
  [[nodiscard]] PeerId reborn(std::size_t node, std::uint64_t id_generation);
  [[nodiscard]] std::optional<Config> target(const Config& now);
  void draw_role(Config& config, std::size_t node);
  // A change that was asked for may still be appended.
  [[nodiscard]] bool waits_for_change() const;
  [[nodiscard]] bool lost(const PeerId& peer) const;
  [[nodiscard]] bool goes_on(const Config& config) const;
  [[nodiscard]] bool can_lose(std::size_t node) const;
  void replace_strangers(const Config& now);
  void check_done(const Request& request);

  World& world_;
  Dice dice_;
  std::vector<Request> requests_;
  std::array<std::uint64_t, nodes_max> generations_{};   // of ids
  std::array<std::uint64_t, nodes_max> incarnations_{};  // of disks
  std::array<bool, nodes_max> spent_{};                  // the id belongs to a disk that is lost
  std::map<LogId, std::size_t> followed_;                // expectation -> the change that was done
  bool healed_ = false;
};

}  // namespace aspen::sim
