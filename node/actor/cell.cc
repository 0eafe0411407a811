#include "node/actor/cell.h"

#include "node/actor/due.h"
#include "node/actor/system.h"
#include "node/actor/worker.h"
#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::actor {

Cell::Cell(System& system, Worker& home_worker, std::size_t number) noexcept
    : Endpoint(home_worker), system_(system), number_(static_cast<std::uint32_t>(number)) {}

Cell::~Cell() {
  ASPEN_ASSERT(instance_ == nullptr);
  drop_all();
}

// ---- turns

bool Cell::schedule() noexcept {
  return !std::exchange(scheduled_, true);
}

bool Cell::rest() noexcept {
  ASPEN_ASSERT(scheduled_);
  scheduled_ = !mailbox_.try_rest();
  return !scheduled_;
}

Order Cell::last_order() const noexcept {
  switch (phase_) {
    case Phase::running:
      return Order::low;
    case Phase::unborn:
      // Messages wait for the start; without an actor all is stale.
      return open(generation()) ? Order::supervision : Order::low;
    case Phase::ending:
    case Phase::ended:
      return Order::supervision;
  }
  ASPEN_UNREACHABLE();
}

Node* Cell::next_node(std::size_t taken) noexcept {
  if (taken % limits::mailbox_drain_interval == 0) static_cast<void>(mailbox_.drain());
  Node* node = mailbox_.pop(last_order());
  if (node == nullptr && mailbox_.arrived()) {
    static_cast<void>(mailbox_.drain());
    node = mailbox_.pop(last_order());
  }
  return node;
}

bool Cell::turn(std::size_t limit) noexcept {
  ASPEN_ASSERT(scheduled_);
  ASPEN_ASSERT(!batch_open_);
  for (std::size_t taken = 0; taken < limit; ++taken) {
    Node* const node = next_node(taken);
    if (node == nullptr) break;
    run(*node);
    if (phase_ == Phase::running && end_wanted()) begin_end();
  }
  end_batch();
  return mailbox_.has(last_order());
}

void Cell::run(Node& node) noexcept {
  if (node.generation != generation()) {
    // Sent to an earlier actor of this cell, in the moment of its end.
    drop_node(node, Code::shutting_down);
    return;
  }
  const bool message = node.order >= Order::urgent;
  if (message) {
    ASPEN_ASSERT(phase_ == Phase::running);
    handled_.add();
    batch_open_ = true;
  }
  if (node.type->run != nullptr) {
    node.type->run(*this, node);
  } else {
    ASPEN_ASSERT(node.index < blueprint_->type.handler_count);
    blueprint_->type.handlers[node.index](*this, node);
  }
  release_node(node);
}

void Cell::end_batch() noexcept {
  if (!std::exchange(batch_open_, false)) return;
  if (phase_ != Phase::running || failure_.has_value()) return;
  if (blueprint_->type.batch_end == nullptr) return;
  blueprint_->type.batch_end(*this);
  ASPEN_ASSERT(!batch_open_);
  if (failure_.has_value()) begin_end();
}

// ---- what the context offers

Instant Cell::now() noexcept {
  return home_.now();
}

TimerQueue& Cell::timers() noexcept {
  return home_.timers();
}

Cell::Cold& Cell::cold() {
  if (cold_ == nullptr) cold_ = std::make_unique<Cold>();
  return *cold_;
}

Prng& Cell::prng() {
  std::optional<Prng>& own = cold().prng;
  if (!own.has_value()) own = system_.split_prng(*this);
  return *own;
}

void Cell::fail(Error error) noexcept {
  ASPEN_ASSERT(error.code != Code::ok);
  if (!failure_.has_value()) failure_ = error;
}

void Cell::interrupt(Error error) noexcept {
  if (!failure_.has_value()) ending_ = Ending::interrupted;
  fail(error);
}

Result<TimerId> Cell::arm(Instant at, Duration period, std::unique_ptr<TimerSource> source) {
  ASPEN_ASSERT(Worker::current() == &home_);
  const std::size_t own = cold_ == nullptr ? 0 : cold_->children.size() + 1;
  if (timers_ >= limits::actor_timers_max + own) {
    return aspen::fail(Code::overloaded, "too many timers", timers_);
  }
  ++timers_;
  return timers().arm({*this, at, period}, std::move(source));
}

void Cell::timer_released() noexcept {
  ASPEN_ASSERT(timers_ > 0);
  --timers_;
}

Result<AskTable::Key> Cell::open_ask(Node& continuation, Duration timeout) {
  ASPEN_ASSERT(Worker::current() == &home_);
  ASPEN_ASSERT(timeout >= Duration::zero());
  Cold& own = cold();
  if (own.asks.full()) return aspen::fail(Code::overloaded, "too many requests are open");
  const Instant deadline = now() + timeout;
  const AskTable::Key key = own.asks.put(continuation, deadline);
  // The timer stays armed when answers come in time, and is moved on when it fires.
  if (deadline < own.asks_timer_at) {
    timers().cancel(own.asks_timer);
    own.asks_timer_at = deadline;
    own.asks_timer = arm_control(deadline, control::AsksDue{});
  }
  return key;
}

Node* Cell::close_ask(AskTable::Key key) noexcept {
  return cold_ == nullptr ? nullptr : cold_->asks.take(key);
}

void Cell::on(control::AsksDue&&) noexcept {
  ASPEN_ASSERT(cold_ != nullptr);
  const Instant at = now();
  std::size_t cursor = 0;
  while (Node* waiting = cold_->asks.take_expired(at, cursor)) {
    payload<ContinuationBase>(*waiting).fail(*this, *waiting,
                                             Error{Code::timed_out, "no answer in time"});
    release_node(*waiting);
  }
  // A continuation may have opened a new request, and armed a timer for it.
  timers().cancel(cold_->asks_timer);
  cold_->asks_timer_at = cold_->asks.next_deadline();
  if (cold_->asks_timer_at != Instant::never()) {
    cold_->asks_timer = arm_control(cold_->asks_timer_at, control::AsksDue{});
  }
}

// ---- the life of the instance

Address Cell::open_for(const ChildOptions& options) noexcept {
  ASPEN_ASSERT(!open(generation()));
  mailbox_.set_capacity(static_cast<std::uint32_t>(options.mailbox_capacity));
  const std::uint32_t next_generation = generation() == UINT32_MAX ? 1 : generation() + 1;
  set_address(next_generation, true);
  return address();
}

void Cell::on(control::Start&& start) noexcept {
  ASPEN_ASSERT(phase_ == Phase::unborn || phase_ == Phase::ended);
  ASPEN_ASSERT((start.blueprint != nullptr) == (phase_ == Phase::unborn));
  if (start.blueprint != nullptr) {
    blueprint_ = std::move(start.blueprint);
    supervisor_ = start.supervisor;
  } else {
    restarts_.add();
  }
  failure_.reset();
  ending_ = Ending::ordinary;
  stop_requested_ = false;
  stop_wanted_.set(0);
  set_address(generation(), true);
  ASPEN_ASSERT(instance_ == nullptr);
  instance_ = blueprint_->create();
  enter(Phase::running);
  if (blueprint_->type.pre_start != nullptr) {
    const Result<void> ready = blueprint_->type.pre_start(*this);
    if (!ready) fail(ready.error());
  }
  if (failure_.has_value()) return;
  started_ = true;
  if (blueprint_->type.post_start != nullptr) blueprint_->type.post_start(*this);
}

void Cell::begin_end() noexcept {
  ASPEN_ASSERT(phase_ == Phase::running);
  ASPEN_ASSERT(end_wanted());
  end_batch();
  if (phase_ != Phase::running) return;  // batch_end failed, and has ended it
  enter(Phase::ending);
  // After a failure the mailbox stays open: the supervisor may restart.
  if (!failure_.has_value()) set_address(generation(), false);
  stop_next_child();
}

void Cell::finish_end() noexcept {
  ASPEN_ASSERT(phase_ == Phase::ending);
  ASPEN_ASSERT(cold_ == nullptr || cold_->children.empty());
  if (std::exchange(started_, false) && blueprint_->type.post_stop != nullptr) {
    blueprint_->type.post_stop(*this);
  }
  destroy_instance();
  enter(Phase::ended);
  if (supervisor_.endpoint == nullptr) {
    system_.root_ended(failure_);
  } else if (retire_when_ended_) {
    retire();
  } else {
    send_control(supervisor_, control::Ended{address(), failure_, ending_});
  }
}

void Cell::destroy_instance() noexcept {
  batch_open_ = false;
  if (cold_ != nullptr) {
    cold_->asks.clear();
    timers().cancel(cold_->asks_timer);
    cold_->asks_timer_at = Instant::never();
  }
  if (void* instance = std::exchange(instance_, nullptr)) blueprint_->type.destroy(instance);
  if (timers_ > 0) timers().cancel_all(*this);
  ASPEN_ASSERT(timers_ == 0);
}

void Cell::retire() noexcept {
  ASPEN_ASSERT(phase_ == Phase::ended || phase_ == Phase::unborn);
  ASPEN_ASSERT(instance_ == nullptr);
  set_address(generation() == UINT32_MAX ? 1 : generation() + 1, false);
  drop_all();
  blueprint_.reset();
  cold_.reset();
  supervisor_ = {};
  failure_.reset();
  ending_ = Ending::ordinary;
  stop_requested_ = false;
  retire_when_ended_ = false;
  handled_.set(0);
  dropped_.set(0);
  refused_.set(0);
  late_answers_.set(0);
  restarts_.set(0);
  enter(Phase::unborn);
  system_.release(*this);
}

std::size_t Cell::drop_all() noexcept {
  std::size_t count = 0;
  static_cast<void>(mailbox_.drain());
  while (Node* node = mailbox_.pop(Order::low)) {
    drop_node(*node, Code::shutting_down);
    ++count;
  }
  dropped_.add(count);
  return count;
}

void Cell::crash() noexcept {
  destroy_instance();
  cold_.reset();
  blueprint_.reset();
  enter(Phase::unborn);
  started_ = false;
  stop_requested_ = false;
  failure_.reset();
  ending_ = Ending::ordinary;
  set_address(generation() == UINT32_MAX ? 1 : generation() + 1, false);
  ASPEN_ASSERT(timers_ == 0);
}

void Cell::on(control::Retire&&) noexcept {
  if (phase_ == Phase::ended || phase_ == Phase::unborn) {
    retire();
  } else {
    retire_when_ended_ = true;
  }
}

void Cell::on(control::Fail&& failure) noexcept {
  if (phase_ == Phase::running) fail(failure.error);
}

void Cell::on(control::Kill&&) noexcept {
  if (phase_ == Phase::ended || phase_ == Phase::unborn) {
    retire();
    return;
  }
  retire_when_ended_ = true;
  started_ = false;  // no post_stop
  enter(Phase::ending);
  set_address(generation(), false);
  while (cold_ != nullptr && !cold_->children.empty()) {
    part_with(cold_->children.back().address, Parting::kill, std::nullopt);
  }
  finish_end();
}

}  // namespace aspen::actor
