// A cell: the runtime's side of one actor. It holds the instance, runs its turns, keeps its
// children and its open requests, and carries out starts, failures, restarts and stops. Users see
// it through Context and Ref only.
//
// Owner: the System; used again after an actor is gone. Thread: the home worker, except for what
// Endpoint allows to all.
//
//            start                fail, stop             children gone, post_stop
//   unborn ────────► running ───────────────► ending ───────────────────────────► ended
//      ▲                ▲                                                          │  │
//      │                └──────────────────────── restart ─────────────────────────┘  │
//      └───────────────────────────────────────── retire ─────────────────────────────┘
//
// The supervisor decides between restart and retire. Until then the mailbox keeps what it holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "node/actor/asks.h"
#include "node/actor/endpoint.h"
#include "node/actor/options.h"
#include "node/actor/supervision.h"
#include "node/actor/timer.h"
#include "node/base/error.h"
#include "node/base/prng.h"
#include "node/base/time.h"

namespace aspen::actor {

class System;

// What an operator sees of an actor's life. `restarting`: it has ended, its supervisor decides, or
// its back-off runs.
enum class ActorState : std::uint8_t { starting, running, stopping, restarting };

// A child that its supervisor has given up or that ended for good.
struct ChildEnd {
  Address child;  // compare with Ref::address()
  std::optional<Error> error;
};

// What the runtime calls on an instance, made once per actor type (context.h). Hooks may be null.
struct ActorClass {
  using Handler = void (*)(Cell&, Node&) noexcept;
  std::string_view name;
  const Handler* handlers;  // by index in the protocol; they destroy the payload
  std::size_t handler_count;
  const void* protocol;  // its tag
  Result<void> (*pre_start)(Cell&) noexcept;
  void (*post_start)(Cell&) noexcept;
  void (*post_stop)(Cell&) noexcept;
  void (*batch_end)(Cell&) noexcept;
  void (*child_ended)(Cell&, const ChildEnd&) noexcept;
  void (*destroy)(void* instance) noexcept;
};

// What an end means for a restart, beside its error.
enum class Ending : std::uint8_t {
  ordinary,
  interrupted,  // Context::interrupt()
  abandoned,    // something below overran its stop deadline and may be running still
};

// How to make an actor, as often as it is restarted.
class Blueprint {
 public:
  Blueprint(const ActorClass& actor_class, ChildOptions child_options)
      : type(actor_class), options(std::move(child_options)) {}
  virtual ~Blueprint() = default;
  [[nodiscard]] virtual void* create() = 0;

  const ActorClass& type;
  const ChildOptions options;
};

// What cells tell each other. `order` is the lane.
namespace control {
struct Start {
  static constexpr Order order = Order::signal;
  std::unique_ptr<Blueprint> blueprint;  // null: restart
  Address supervisor;
};
struct Retire {
  static constexpr Order order = Order::signal;
};
struct Kill {
  static constexpr Order order = Order::signal;
};
struct Stop {
  static constexpr Order order = Order::stop;
};
struct Ended {
  static constexpr Order order = Order::supervision;
  Address child;
  std::optional<Error> error;
  Ending ending = Ending::ordinary;
};
struct Adopt {
  static constexpr Order order = Order::supervision;
  std::unique_ptr<Blueprint> blueprint;
  Address child;
};
struct RestartDue {
  static constexpr Order order = Order::supervision;
  Address child;
};
struct StopOverdue {
  static constexpr Order order = Order::supervision;
  Address child;
};
struct AsksDue {
  static constexpr Order order = Order::urgent;
};
struct Fail {
  static constexpr Order order = Order::urgent;
  Error error;
};
}  // namespace control

class Cell final : public Endpoint {
 public:
  Cell(System& system, Worker& home_worker, std::size_t number) noexcept;
  ~Cell();

  // -- the worker's
  // Handles up to `limit` nodes and calls batch_end once if there were messages among them. True if
  // there is more to do.
  [[nodiscard]] bool turn(std::size_t limit) noexcept;
  [[nodiscard]] bool rest() noexcept;
  [[nodiscard]] bool schedule() noexcept;  // false if it is scheduled already
  void set_handed_over() noexcept { mailbox_.set_handed_over(); }

  // -- the System's, before the address is known to anybody
  [[nodiscard]] Address open_for(const ChildOptions& options) noexcept;
  // Takes that back. Precondition: nobody has sent anything.
  void close_unused() noexcept { set_address(generation(), false); }
  // Among the System's cells.
  [[nodiscard]] std::size_t number() const noexcept { return number_; }
  // Any thread. A hint for a handler that takes long; the control that follows is what counts.
  void want_stop() noexcept { stop_wanted_.set(1); }
  [[nodiscard]] bool stop_wanted() const noexcept { return stop_wanted_.get() != 0; }
  // Destroys the instance without hooks, as a crash does.
  void crash() noexcept;
  // Destroys what is in the mailbox; the number of nodes.
  std::size_t drop_all() noexcept;

  // -- the Context's
  [[nodiscard]] Address address() noexcept { return {this, generation()}; }
  [[nodiscard]] void* instance() noexcept { return instance_; }
  [[nodiscard]] System& system() noexcept { return system_; }
  [[nodiscard]] Instant now() noexcept;
  [[nodiscard]] Prng& prng();
  void request_stop() noexcept { stop_requested_ = true; }
  void fail(Error error) noexcept;
  void interrupt(Error error) noexcept;
  // Possible errors: overloaded, already_exists, invalid_argument, shutting_down (it is ending).
  [[nodiscard]] Result<Address> spawn(std::unique_ptr<Blueprint> blueprint);
  void stop_child(const Address& child) noexcept;
  // Possible errors: overloaded.
  [[nodiscard]] Result<AskTable::Key> open_ask(Node& continuation, Duration timeout);
  [[nodiscard]] Node* close_ask(AskTable::Key key) noexcept;
  void count_late_answer() noexcept { late_answers_.add(); }
  // Possible errors: overloaded.
  [[nodiscard]] Result<TimerId> arm(Instant at, Duration period,
                                    std::unique_ptr<TimerSource> source);
  [[nodiscard]] TimerQueue& timers() noexcept;
  void timer_released() noexcept;  // the TimerQueue's

  // -- what other cells and timers tell
  void on(control::Start&& start) noexcept;
  void on(control::Retire&&) noexcept;
  void on(control::Kill&&) noexcept;
  void on(control::Fail&& failure) noexcept;
  void on(control::Stop&&) noexcept { stop_requested_ = true; }
  void on(control::Ended&& ended) noexcept;
  void on(control::Adopt&& adopt) noexcept;
  void on(control::RestartDue&& due) noexcept;
  void on(control::StopOverdue&& overdue) noexcept;
  void on(control::AsksDue&&) noexcept;

  // -- any thread
  [[nodiscard]] std::uint64_t handled() const noexcept { return handled_.get(); }
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.get(); }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_.get(); }
  [[nodiscard]] std::uint64_t late_answers() const noexcept { return late_answers_.get(); }
  [[nodiscard]] std::uint64_t restarts() const noexcept { return restarts_.get(); }
  [[nodiscard]] std::uint32_t depth() const noexcept { return mailbox_.depth(); }
  [[nodiscard]] std::uint32_t mailbox_max() const noexcept { return mailbox_.capacity(); }
  [[nodiscard]] ActorState state() const noexcept { return ActorState(shown_state_.get()); }

 private:
  // As ActorState.
  enum class Phase : std::uint8_t { unborn, running, ending, ended };
  enum class ChildState : std::uint8_t { running, backing_off, stopping };
  struct Child {
    Address address;
    ChildOptions options;
    RestartWindow window;
    RestartWindow interruptions = {};
    ChildState state = ChildState::running;
    TimerId timer = {};  // of the back-off or of the stop deadline
  };
  // What many actors never need.
  struct Cold {
    std::vector<Child> children;  // in the order of their start
    AskTable asks;
    TimerId asks_timer = {};
    Instant asks_timer_at = Instant::never();
    std::optional<Prng> prng;
    std::uint64_t backoffs = 0;
  };

  [[nodiscard]] Cold& cold();
  [[nodiscard]] Node* next_node(std::size_t taken) noexcept;
  void run(Node& node) noexcept;
  void end_batch() noexcept;
  [[nodiscard]] Order last_order() const noexcept;
  template <class C>
  [[nodiscard]] TimerId arm_control(Instant at, C what);
  void enter(Phase phase) noexcept {
    phase_ = phase;
    shown_state_.set(static_cast<std::uint64_t>(phase));
  }
  [[nodiscard]] bool end_wanted() const noexcept { return stop_requested_ || failure_.has_value(); }

  void begin_end() noexcept;
  void stop_next_child() noexcept;
  void send_stop(Child& child) noexcept;
  void finish_end() noexcept;
  void destroy_instance() noexcept;
  void retire() noexcept;
  void restart_child(Child& child, const control::Ended& ended) noexcept;
  // Retires it, or kills it if it has not ended.
  enum class Parting : std::uint8_t { retire, kill };
  void part_with(const Address& child, Parting parting, std::optional<Error> error) noexcept;
  [[nodiscard]] Child* find_child(const Address& address) noexcept;
  void arm_asks() noexcept;

  System& system_;
  std::unique_ptr<Blueprint> blueprint_;
  void* instance_ = nullptr;
  std::unique_ptr<Cold> cold_;
  Address supervisor_;
  std::optional<Error> failure_;
  std::uint32_t number_;
  Phase phase_ = Phase::unborn;
  Ending ending_ = Ending::ordinary;
  bool started_ = false;  // pre_start succeeded
  bool stop_requested_ = false;
  bool retire_when_ended_ = false;
  bool batch_open_ = false;  // something was handled since the last batch_end
  std::uint16_t timers_ = 0;
  Tally handled_;
  Tally dropped_;
  Tally late_answers_;
  Tally restarts_;
  Tally shown_state_;
  Tally stop_wanted_;
};

// A control as a node.
template <class C>
struct Control {
  static void run(Cell& cell, Node& node) noexcept {
    C& what = payload<C>(node);
    cell.on(std::move(what));
    std::destroy_at(&what);
  }
  static void drop(Node& node, Code) noexcept { std::destroy_at(&payload<C>(node)); }
  static constexpr MessageType type{&run, &drop};
};

// Any thread. Does nothing if the address is empty; a stale one drops it on arrival.
template <class C>
void send_control(const Address& to, C&& what) noexcept {
  using Kind = std::remove_cvref_t<C>;
  if (to.endpoint == nullptr) return;
  Node& node = make_node(Control<Kind>::type, std::forward<C>(what));
  node.generation = to.generation;
  node.order = Kind::order;
  to.endpoint->push(node);
}

}  // namespace aspen::actor
