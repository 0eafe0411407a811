// The part of a cell that supervises its children.
#include <algorithm>

#include "node/actor/cell.h"
#include "node/actor/due.h"
#include "node/actor/system.h"
#include "node/actor/worker.h"
#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::actor {

Cell::Child* Cell::find_child(const Address& address) noexcept {
  if (cold_ == nullptr) return nullptr;
  // Most often it is the youngest that ends, and in a stop it always is.
  auto& children = cold_->children;
  const auto found = std::find_if(children.rbegin(), children.rend(),
                                  [&](const Child& child) { return child.address == address; });
  return found == children.rend() ? nullptr : &*found;
}

Result<Address> Cell::spawn(std::unique_ptr<Blueprint> blueprint) {
  ASPEN_ASSERT(blueprint != nullptr);
  ASPEN_ASSERT(Worker::current() == &home_);
  if (phase_ != Phase::running) {
    return aspen::fail(Code::shutting_down, "an actor that ends starts no children");
  }
  std::vector<Child>& children = cold().children;
  if (children.size() >= limits::children_max) {
    return aspen::fail(Code::overloaded, "too many children", children.size());
  }
  const Result<Address> child = system_.create(*blueprint, home_, number_);
  if (!child) return child;
  children.push_back({*child, blueprint->options, {}});
  send_control(*child, control::Start{std::move(blueprint), address()});
  return child;
}

void Cell::on(control::Adopt&& adopt) noexcept {
  ASPEN_ASSERT(supervisor_.endpoint == nullptr);  // the root
  ASPEN_ASSERT(adopt.blueprint != nullptr);
  const bool full = cold().children.size() >= limits::children_max;
  if (phase_ != Phase::running || end_wanted() || full) {
    send_control(adopt.child, control::Retire{});
    return;
  }
  cold_->children.push_back({adopt.child, adopt.blueprint->options, {}});
  send_control(adopt.child, control::Start{std::move(adopt.blueprint), address()});
}

void Cell::on(control::Ended&& ended) noexcept {
  Child* const child = find_child(ended.child);
  if (child == nullptr) return;  // given up at its deadline; the kill that followed retires it
  const End end = ended.error.has_value() ? End::failed : End::stopped;
  const bool wanted = phase_ == Phase::running && child->state == ChildState::running &&
                      is_restarted(child->options.restart, end);
  if (wanted) {
    restart_child(*child, ended);
    return;
  }
  if (phase_ == Phase::ending && ended.ending == Ending::abandoned) ending_ = Ending::abandoned;
  part_with(ended.child, Parting::retire, ended.error);
  if (phase_ == Phase::ending) stop_next_child();
}

void Cell::restart_child(Child& child, const control::Ended& ended) noexcept {
  ASPEN_ASSERT(phase_ == Phase::running);
  ASPEN_ASSERT(child.state == ChildState::running);
  const bool abandoned = ended.ending == Ending::abandoned;
  const bool interrupted = ended.ending == Ending::interrupted;
  ChildOptions options = child.options;
  // These have their back-off, and no number of them within the options' window is a failure.
  if (interrupted) options.restarts_max = limits::restarts_in_window_max;
  RestartWindow& window = interrupted ? child.interruptions : child.window;
  if (abandoned || !window.admit(now(), options)) {
    // Safety: a second instance beside what still runs of the first would be two owners of one
    // thing. Nobody above may restart it either: only the end of the process ends what is stuck.
    if (abandoned) ending_ = Ending::abandoned;
    const Error why =
        ended.error.value_or(Error{Code::failed_precondition, "a permanent actor keeps stopping"});
    system_.note_failure(child.address, {{}, {}, why, Remedy::escalate, {}});
    fail(why);
    part_with(child.address, Parting::retire, ended.error);
    return;
  }
  Prng jitter = prng().split("backoff", ++cold_->backoffs);
  const Duration delay = backoff(options, window.recent(), jitter);
  const Error why = ended.error.value_or(Error{});
  system_.note_failure(child.address, {{}, {}, why, Remedy::restart, delay});
  child.state = ChildState::backing_off;
  child.timer = arm_control(now() + delay, control::RestartDue{child.address});
}

void Cell::on(control::RestartDue&& due) noexcept {
  Child* const child = find_child(due.child);
  ASPEN_ASSERT(child != nullptr);  // who parts with a child cancels its timer
  ASPEN_ASSERT(child->state == ChildState::backing_off);
  child->state = ChildState::running;
  child->timer = {};
  send_control(child->address, control::Start{nullptr, address()});
}

void Cell::part_with(const Address& address, Parting parting, std::optional<Error> error) noexcept {
  const Address child = address;  // the argument may lie in the record that goes
  Child* const record = find_child(child);
  ASPEN_ASSERT(record != nullptr);
  timers().cancel(record->timer);
  cold_->children.erase(cold_->children.begin() + (record - cold_->children.data()));
  if (parting == Parting::retire) {
    send_control(child, control::Retire{});
  } else {
    send_control(child, control::Kill{});
  }
  if (phase_ != Phase::running || end_wanted()) return;
  if (blueprint_->type.child_ended == nullptr) return;
  batch_open_ = true;
  blueprint_->type.child_ended(*this, ChildEnd{child, error});
}

void Cell::send_stop(Child& child) noexcept {
  ASPEN_ASSERT(child.state == ChildState::running);
  child.state = ChildState::stopping;
  child.timer =
      arm_control(now() + child.options.stop_deadline, control::StopOverdue{child.address});
  static_cast<Cell*>(child.address.endpoint)->want_stop();
  send_control(child.address, control::Stop{});
}

void Cell::stop_child(const Address& address) noexcept {
  Child* const child = find_child(address);
  if (child == nullptr || phase_ != Phase::running) return;
  switch (child->state) {
    case ChildState::running:
      send_stop(*child);
      break;
    case ChildState::backing_off:
      part_with(address, Parting::retire, std::nullopt);
      break;
    case ChildState::stopping:
      break;
  }
}

void Cell::stop_next_child() noexcept {
  ASPEN_ASSERT(phase_ == Phase::ending);
  while (cold_ != nullptr && !cold_->children.empty()) {
    Child& youngest = cold_->children.back();
    if (youngest.state == ChildState::stopping) return;
    if (youngest.state == ChildState::running) {
      send_stop(youngest);
      return;
    }
    part_with(youngest.address, Parting::retire, std::nullopt);
  }
  finish_end();
}

void Cell::on(control::StopOverdue&& overdue) noexcept {
  Child* const child = find_child(overdue.child);
  ASPEN_ASSERT(child != nullptr);
  ASPEN_ASSERT(child->state == ChildState::stopping);
  if (phase_ == Phase::ending) ending_ = Ending::abandoned;
  part_with(overdue.child, Parting::kill, Error{Code::timed_out, "did not stop in time"});
  if (phase_ == Phase::ending) stop_next_child();
}

}  // namespace aspen::actor
