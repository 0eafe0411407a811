// The clients. Each has at most one operation under way and behaves as a client library does: it
// sends a request to one node, tries another one after an answer that says that nothing was done,
// repeats reads whenever it must, and gives up at a deadline. Each request is an attempt with
// values of its own. What clients are told is checked against the history that the nodes applied
// (the witness), and by WGL against nothing but itself.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "node/gateway/gateway.h"
#include "tests/sim/dice.h"
#include "tests/sim/node/history.h"
#include "tests/sim/node/plan.h"
#include "tests/sim/wgl.h"

namespace aspen::sim::node {

class World;

enum class Kind : std::uint8_t {
  put,
  pair,       // two puts in one transaction
  swap,       // compare, then put or get
  erase,      // delete of a key
  get,        // a key, linearizable
  scan,       // all keys, linearizable
  get_local,  // a key, serializable
  get_past,   // a key at an older revision, linearizable
  look,       // a read-only transaction over two keys
  compact,
};
[[nodiscard]] const char* to_string(Kind kind);
[[nodiscard]] constexpr bool writes(Kind kind) {
  return kind == Kind::put || kind == Kind::pair || kind == Kind::swap || kind == Kind::erase;
}

class Workload {
 public:
  explicit Workload(World& world);

  void start();
  // From now on: write first, with short pauses and timeouts.
  void heal();
  void stop() noexcept { stopped_ = true; }
  // Every client had a write acknowledged after heal().
  [[nodiscard]] bool all_wrote() const noexcept;
  // No request is on its way, and no node that is up owes an answer.
  [[nodiscard]] bool all_answered() const noexcept { return under_way_ == 0 && owed_.empty(); }
  // The process at this node is over: whoever waits for it learns that.
  void on_node_end(std::size_t node);
  // Of all that was told to clients.
  void check_end();

 private:
  enum class Fate : std::uint8_t { open, done, refused, unknown };

  // What a read saw of a key.
  struct Seen {
    std::string key;
    AttemptId attempt = 0;  // 0: absent
    Revision mod = 0;
    Revision create = 0;
    std::int64_t version = 0;
  };
  struct Answer {
    Code code = Code::ok;
    const char* what = "";
    Revision revision = 0;  // of the header
    bool succeeded = true;  // of a transaction
    std::int64_t deleted = 0;
    std::vector<Seen> seen = {};
  };
  struct Operation {
    Kind kind = Kind::put;
    std::vector<std::string> keys;
    AttemptId expected = 0;    // swap: 0 is absence
    bool by_revision = false;  // swap: compares the revision instead of the value
    Revision revision = 0;     // get_past and compact
  };
  struct Attempt {
    Operation operation;
    std::uint32_t client = 0;
    std::uint32_t node = 0;
    Fate fate = Fate::open;
    bool client_waits = true;
    bool client_knows = false;  // was answered in time
    std::uint64_t invoked = 0;  // numbers of events, so that no two are equal
    std::uint64_t returned = 0;
    Revision floor = 0;  // acknowledged to anybody before it began
    Answer answer;
  };
  struct Client {
    std::uint64_t number = 0;  // of operations begun
    std::uint64_t turn = 0;    // invalidates timers
    std::size_t node = 0;
    Operation operation;
    Time deadline = 0;
    std::uint32_t tries = 0;
    AttemptId attempt = 0;  // under way, 0: none
    bool wrote = false;     // since heal()
  };

  [[nodiscard]] Attempt& at(AttemptId id) { return attempts_[id]; }
  [[nodiscard]] Dice dice_of(std::size_t client, const char* what) const;
  void next(std::size_t client, Time pause);
  void begin(std::size_t client);
  [[nodiscard]] Operation draw(std::size_t client, Dice& dice);
  [[nodiscard]] std::size_t endpoint(std::size_t node) const;
  void try_once(std::size_t client);
  void arrive(AttemptId id);
  void send(AttemptId id, gateway::Gateway& gateway);
  void send_write(AttemptId id, gateway::Gateway& gateway);
  void send_read(AttemptId id, gateway::Gateway& gateway);
  [[nodiscard]] gateway::Deadline deadline_of(const Attempt& attempt) const;
  template <class T>
  [[nodiscard]] gateway::Done<T> taking(AttemptId id);
  void read_into(Answer& answer, const kv::RangeResponse& response) const;
  void read_into(Answer&, const kv::PutResponse&) const {}
  void read_into(Answer& answer, const kv::DeleteRangeResponse& response) const;
  void read_into(Answer& answer, const kv::TxnResponse& response) const;
  void read_into(Answer&, const kv::CompactResponse&) const {}
  // The node answers; the client learns it a little later.
  void answered(AttemptId id, Answer answer);
  void told(AttemptId id);
  void give_up(AttemptId id);
  void retry(std::size_t client);
  void repeat(AttemptId id);
  void finish(std::size_t client);
  void succeeded(AttemptId id);
  void count_refusal(Code code);
  void check_floor(const Attempt& attempt, AttemptId id);

  void check_write(AttemptId id);
  void check_erase(AttemptId id);
  void check_swap(AttemptId id);
  void check_seen(AttemptId id);
  [[nodiscard]] bool is_seen(const Seen* seen, const std::string& key, Revision revision);
  [[nodiscard]] std::vector<std::string> keys_of(const Operation& operation) const;
  [[nodiscard]] aspen::sim::Operation to_register(AttemptId id, const std::string& key);
  void check_linearizable_history();

  World& world_;
  std::vector<Client> clients_;
  std::deque<Attempt> attempts_;      // the first is nobody's
  std::vector<AttemptId> last_seen_;  // by key: for swaps that succeed
  std::uint64_t clock_ = 0;
  Revision frontier_ = kv::revision_initial;
  std::uint64_t under_way_ = 0;  // requests to nodes
  std::set<AttemptId> owed_;     // a node has it and has not answered
  bool healing_ = false;
  bool stopped_ = false;
};

}  // namespace aspen::sim::node
