// The clients: each has at most one operation under way, with a timeout, and remembers who it takes
// for the leader. Every operation is recorded with all that is known of it, and checked: a definite
// refusal is never found in the log, an acknowledged write is never missing, a granted read sees
// what was acknowledged before it began, and the history as the clients saw it is linearizable.
#pragma once

#include <cstdint>
#include <vector>

#include "node/raft/core.h"
#include "tests/sim/dice.h"
#include "tests/sim/model_state.h"
#include "tests/sim/wgl.h"
#include "tests/sim/world.h"

namespace aspen::sim {

class Workload {
 public:
  explicit Workload(World& world);

  void start();
  // A client's turn: its operation times out, or it begins the next.
  void on_turn(std::size_t client, std::uint64_t turn);
  // From now on: write first, with short pauses and timeouts.
  void heal();
  void stop() noexcept { stopped_ = true; }
  // Every client had a write acknowledged after heal() began.
  [[nodiscard]] bool all_wrote() const noexcept;

  // ---- what a node says
  void completed(std::size_t node, const raft::Completion& completion);
  void granted(std::uint64_t operation, Index index);
  void applied(std::size_t node, const Entry& entry, const CommandResult& result);
  void answer_writes(std::size_t node, Index applied);
  void answer_read(std::uint64_t operation, const ModelState& state);
  // A command is committed for good.
  void in_log(std::uint64_t operation, LogId id);

  // All that was acknowledged is in the committed prefix; the history is linearizable.
  void check_end();

 private:
  enum class Fate : std::uint8_t { open, committed, refused, unknown };
  struct Record {
    std::uint32_t client = 0;
    std::uint32_t boot = 0;
    std::uint8_t node = 0;
    std::uint8_t target = 0;
    RegisterAction action = RegisterAction::read;
    Fate fate = Fate::open;   // as the node said, or the log
    bool has_result = false;  // it was applied at the node that proposed it
    bool client_waits = false;
    bool client_knows = false;  // it was answered in time
    bool not_done = false;      // the answer was a definite refusal
    CommandResult result;
    std::uint64_t value = 0;
    std::uint64_t expected = 0;
    std::uint64_t invoked = 0;  // numbers of events, so that no two are equal
    std::uint64_t returned = never;
    Index frontier;      // acknowledged before it began
    LogId acknowledged;  // where the node says it is
    LogId log;           // where it is
  };
  struct Client {
    std::uint64_t operation = 0;  // under way, 0 if none
    std::uint64_t turn = 0;
    std::size_t leader = 0;
    bool wrote = false;  // since heal()
  };

  [[nodiscard]] Record& at(std::uint64_t operation) { return records_[operation - 1]; }
  [[nodiscard]] std::size_t any_node();
  void begin(std::size_t client);
  void propose(std::uint64_t operation);
  void burst(std::size_t client, std::size_t node);
  void draw(Record& record);
  void next_turn(std::size_t client, Time after);
  void finish(std::uint64_t operation, Answer answer, std::uint64_t seen);
  void give_up(std::uint64_t operation);
  void refuse(std::uint64_t operation, NodeId leader);
  void try_answer(std::uint64_t operation);
  void advance_frontier(Index index) { frontier_ = frontier_ < index ? index : frontier_; }
  void check_history();

  World& world_;
  Dice dice_;
  std::vector<Client> clients_;
  std::vector<Record> records_;
  std::vector<std::vector<std::uint64_t>> waiting_;  // by node: committed, not applied there
  std::vector<std::uint64_t> last_seen_;             // by register: for swaps that succeed
  std::uint64_t clock_ = 0;
  Index frontier_;
  bool healing_ = false;
  bool stopped_ = false;
};

}  // namespace aspen::sim
