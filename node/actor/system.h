// A System: the actors of one node, their names, and the root of their supervision tree. Its two
// forms run the same actors: ThreadSystem on worker threads, SimSystem in one thread with a seeded
// order and virtual time.
//
// Owner: the assembly; destroyed after everything that holds refs into it has stopped using them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "node/actor/actor.h"
#include "node/actor/registry.h"
#include "node/actor/thread_lock.h"
#include "node/actor/worker.h"
#include "node/base/prng.h"

namespace aspen::actor {

// A child failed, or ended although it is permanent. It is started again after `delay`, or its
// supervisor fails with it.
enum class Remedy : std::uint8_t { restart, escalate };
struct FailureNote {
  std::string name;  // empty if unnamed
  std::string_view type;
  Error error;  // Code::ok: it stopped
  Remedy remedy = Remedy::restart;
  Duration delay{};
};

struct SystemOptions {
  std::size_t workers = 1;  // 1 to limits::workers_max
  std::uint64_t seed = 1;   // of the actors' random numbers and of back-offs
  // The root has given up: a child of it ended more often than its options allow. The tree is
  // stopped already. Called once, on a worker's thread.
  std::function<void(Error)> on_give_up = {};
  // Called on a worker's thread; seldom, as restarts are bounded and have their back-off.
  std::function<void(const FailureNote&)> on_failure = {};
};

// One line of what an operator sees; counts since the actor was spawned.
struct ActorStats {
  std::uint64_t id = 0;  // unique in the System, never used again; a child's exceeds its parent's
  std::uint64_t parent = 0;  // the supervisor's id; 0: this is the root
  std::string name;          // empty if unnamed
  std::string_view type;     // of the actor
  std::uint64_t handled = 0;
  std::uint64_t dropped = 0;       // undeliverable, at the end or after a cancelled timer
  std::uint64_t refused = 0;       // because the mailbox was full
  std::uint64_t late_answers = 0;  // came after the timeout or the restart
  std::uint64_t restarts = 0;
  std::uint32_t depth = 0;  // messages waiting
  std::uint32_t mailbox_max = 0;
  std::size_t worker = 0;  // home
  ActorState state = ActorState::starting;
};

class System {
 public:
  explicit System(SystemOptions options);
  System(const System&) = delete;
  System& operator=(const System&) = delete;
  virtual ~System();

  // A child of the root. Any thread, at any time before the stop; it starts when the System runs.
  // Possible errors: as Context::spawn, shutting_down is told to the first request.
  template <class A, class... Args>
  [[nodiscard]] Result<Ref<ProtocolOf<A>>> spawn(ChildOptions options, Args... args) {
    return ref_of<A>(spawn_at_root(make_blueprint_of<A>(std::move(options), std::move(args)...)));
  }
  template <class A, class F>
  [[nodiscard]] Result<Ref<ProtocolOf<A>>> spawn_from(ChildOptions options, F factory) {
    return ref_of<A>(spawn_at_root(make_blueprint<A>(std::move(options), std::move(factory))));
  }

  [[nodiscard]] Registry& registry() noexcept { return registry_; }
  [[nodiscard]] virtual Instant now() const noexcept = 0;
  // Any thread. One line per live actor, the root left out.
  [[nodiscard]] std::vector<ActorStats> snapshot() const;
  // Any thread. The same with the root, parents before their children.
  [[nodiscard]] std::vector<ActorStats> tree() const;
  // Any thread. The actor fails, as if a handler of it had said so, or stops, as if one had called
  // Context::stop(): for those who test that the tree heals. The supervisor decides what follows.
  // Possible errors: not_found; failed_precondition (the root: stop the System).
  [[nodiscard]] Result<void> fail_actor(std::uint64_t id, const Error& error);
  [[nodiscard]] Result<void> stop_actor(std::uint64_t id);

  // ---- the runtime's
  // Any thread. An endpoint for a new actor, its name taken. `parent` is a cell's number.
  // Possible errors: see Context::spawn.
  [[nodiscard]] Result<Address> create(const Blueprint& blueprint, const Worker& home,
                                       std::size_t parent);
  // The actor is gone; on its worker's thread.
  void release(Cell& cell) noexcept;
  // A supervisor has decided; on its worker's thread. `note` lacks the child's names.
  void note_failure(const Address& child, FailureNote note) noexcept;
  // The root has ended; on its worker's thread.
  void root_ended(const std::optional<Error>& error) noexcept;
  // The actor's own stream of random numbers.
  [[nodiscard]] Prng split_prng(const Cell& cell) const;

 protected:
  [[nodiscard]] Worker& worker(std::size_t number) noexcept { return *workers_[number]; }
  [[nodiscard]] std::size_t workers() const noexcept { return workers_.size(); }
  void stop_root() noexcept;
  // Ends every actor at once, without hooks. No worker may be running.
  void crash_all() noexcept;
  virtual void on_root_ended() noexcept = 0;

 private:
  struct Entry {
    std::unique_ptr<Cell> cell;
    const ActorClass* type = nullptr;  // null: free
    Address address = {};
    std::string name;
    std::size_t worker = 0;
    std::uint64_t spawn_number = 0;
    std::uint64_t parent_id = 0;
    // The first spawn is the root's.
    [[nodiscard]] std::uint64_t id() const noexcept { return spawn_number + 1; }
  };
  template <class A>
  [[nodiscard]] static Result<Ref<ProtocolOf<A>>> ref_of(const Result<Address>& address) {
    if (!address) return tl::unexpected<Error>(address.error());
    return Ref<ProtocolOf<A>>(*address);
  }
  [[nodiscard]] Result<Address> spawn_at_root(std::unique_ptr<Blueprint> blueprint);
  [[nodiscard]] Result<Entry*> take_entry(const Blueprint& blueprint, std::size_t worker_number,
                                          std::size_t parent);
  [[nodiscard]] Result<Address> find_actor(std::uint64_t id) const;

  SystemOptions options_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Registry registry_;
  Prng prng_;
  Address root_;
  mutable ThreadLock lock_;  // of all below
  std::deque<Entry> entries_;
  std::vector<std::vector<std::size_t>> free_;  // entries by worker
  bool crashed_ = false;
  std::uint64_t spawned_ = 0;
};

template <class A>
Registry& Context<A>::registry() const noexcept {
  return cell_.system().registry();
}

}  // namespace aspen::actor
