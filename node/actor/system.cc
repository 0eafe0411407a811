#include "node/actor/system.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::actor {

namespace {

constexpr std::size_t root_number = 0;  // of its cell
constexpr std::uint64_t root_id = 1;

// The supervisor of what was spawned from outside; it has no life of its own.
class Root final : public Actor<Root, Protocol<>> {};

[[nodiscard]] Result<void> validate(const ChildOptions& options) {
  if (options.name.size() > limits::actor_name_bytes_max) {
    return fail(Code::invalid_argument, "an actor's name has at most 64 bytes");
  }
  if (options.mailbox_capacity == 0 || options.mailbox_capacity > limits::mailbox_messages_max) {
    return fail(Code::invalid_argument, "a mailbox holds 1 to 1048576 messages");
  }
  if (options.restarts_max > limits::restarts_in_window_max) {
    return fail(Code::invalid_argument, "a child restarts at most 64 times in a window");
  }
  if (options.backoff_min < Duration::zero() || options.backoff_max < options.backoff_min) {
    return fail(Code::invalid_argument, "a back-off grows from a shorter to a longer duration");
  }
  return {};
}

}  // namespace

System::System(SystemOptions options) : options_(std::move(options)), prng_(options_.seed) {
  ASPEN_ASSERT(options_.workers >= 1 && options_.workers <= limits::workers_max);
  for (std::uint32_t i = 0; i < options_.workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, i));
  }
  free_.resize(options_.workers);
  auto blueprint = make_blueprint_of<Root>(ChildOptions{.worker = 0});
  const Result<Address> root = create(*blueprint, *workers_[0], root_number);
  ASPEN_ASSERT(root.has_value());
  root_ = *root;
  send_control(root_, control::Start{std::move(blueprint), {}});
}

System::~System() = default;

Result<System::Entry*> System::take_entry(const Blueprint& blueprint, std::size_t worker_number,
                                          std::size_t parent) {
  const ThreadLockGuard guard(lock_);
  if (crashed_) return fail(Code::shutting_down, "the node is stopping");
  std::vector<std::size_t>& free = free_[worker_number];
  if (free.empty()) {
    if (entries_.size() >= limits::actors_max) {
      return fail(Code::overloaded, "too many actors", limits::actors_max);
    }
    Entry& made = entries_.emplace_back();
    made.worker = worker_number;
    made.cell = std::make_unique<Cell>(*this, *workers_[worker_number], entries_.size() - 1);
    free.push_back(entries_.size() - 1);
  }
  Entry& entry = entries_[free.back()];
  free.pop_back();
  ASPEN_ASSERT(entry.type == nullptr);
  ASPEN_ASSERT(entry.worker == worker_number);
  entry.type = &blueprint.type;
  entry.name = blueprint.options.name;
  entry.spawn_number = spawned_++;
  entry.parent_id = entry.id() == root_id ? 0 : entries_[parent].id();
  ASPEN_ASSERT(entry.parent_id < entry.id());
  entry.address = entry.cell->open_for(blueprint.options);
  return &entry;
}

Result<Address> System::create(const Blueprint& blueprint, const Worker& home, std::size_t parent) {
  const ChildOptions& options = blueprint.options;
  ASPEN_ASSERT(home.number() < workers_.size());
  const Result<void> valid = validate(options);
  if (!valid) return tl::unexpected<Error>(valid.error());
  const std::size_t worker_number =
      options.worker == home_of_parent ? home.number() : options.worker % workers_.size();
  const Result<Entry*> taken = take_entry(blueprint, worker_number, parent);
  if (!taken) return tl::unexpected<Error>(taken.error());
  Entry* const entry = *taken;
  const Address address = entry->address;
  if (options.name.empty()) return address;
  const Result<void> named = registry_.take(options.name, address, blueprint.type.protocol);
  if (named) return address;
  ASPEN_ASSERT(entry->worker == worker_number);
  entry->cell->close_unused();
  {
    const ThreadLockGuard guard(lock_);
    entry->type = nullptr;
    entry->name.clear();
    free_[worker_number].push_back(entry->cell->number());
  }
  return tl::unexpected<Error>(named.error());
}

void System::release(Cell& cell) noexcept {
  std::string name;
  Address address;
  {
    const ThreadLockGuard guard(lock_);
    Entry& entry = entries_[cell.number()];
    ASPEN_ASSERT(entry.cell.get() == &cell);
    ASPEN_ASSERT(entry.type != nullptr);
    name = std::move(entry.name);
    address = entry.address;
    entry.name.clear();
    entry.type = nullptr;
  }
  if (!name.empty()) registry_.release(name, address);
  const ThreadLockGuard guard(lock_);
  free_[entries_[cell.number()].worker].push_back(cell.number());
}

Result<Address> System::spawn_at_root(std::unique_ptr<Blueprint> blueprint) {
  ASPEN_ASSERT(blueprint != nullptr);
  const Result<Address> child = create(*blueprint, *workers_[0], root_number);
  if (child) send_control(root_, control::Adopt{std::move(blueprint), *child});
  return child;
}

void System::root_ended(const std::optional<Error>& error) noexcept {
  if (error.has_value() && options_.on_give_up) options_.on_give_up(*error);
  on_root_ended();
}

void System::note_failure(const Address& child, FailureNote note) noexcept {
  if (!options_.on_failure) return;
  {
    const ThreadLockGuard guard(lock_);
    const Entry& entry = entries_[static_cast<const Cell*>(child.endpoint)->number()];
    ASPEN_ASSERT(entry.type != nullptr);
    ASPEN_ASSERT(entry.address == child);
    note.name = entry.name;
    note.type = entry.type->name;
  }
  options_.on_failure(note);
}

void System::stop_root() noexcept {
  send_control(root_, control::Stop{});
}

Prng System::split_prng(const Cell& cell) const {
  const ThreadLockGuard guard(lock_);
  const Entry& entry = entries_[cell.number()];
  ASPEN_ASSERT(entry.type != nullptr);
  return prng_.split("actor", entry.spawn_number);
}

std::vector<ActorStats> System::tree() const {
  std::vector<ActorStats> lines;
  {
    const ThreadLockGuard guard(lock_);
    for (const Entry& entry : entries_) {
      if (entry.type == nullptr) continue;
      const Cell& cell = *entry.cell;
      lines.push_back({.id = entry.id(),
                       .parent = entry.parent_id,
                       .name = entry.name,
                       .type = entry.type->name,
                       .handled = cell.handled(),
                       .dropped = cell.dropped(),
                       .refused = cell.refused(),
                       .late_answers = cell.late_answers(),
                       .restarts = cell.restarts(),
                       .depth = cell.depth(),
                       .mailbox_max = cell.mailbox_max(),
                       .worker = entry.worker,
                       .state = cell.state()});
    }
  }
  std::sort(lines.begin(), lines.end(),
            [](const ActorStats& a, const ActorStats& b) { return a.id < b.id; });
  ASPEN_ASSERT(lines.empty() || lines.front().id == root_id);
  ASPEN_ASSERT(lines.size() <= limits::actors_max);
  return lines;
}

std::vector<ActorStats> System::snapshot() const {
  std::vector<ActorStats> lines = tree();
  std::erase_if(lines, [](const ActorStats& line) { return line.id == root_id; });
  return lines;
}

void System::crash_all() noexcept {
  {
    const ThreadLockGuard guard(lock_);
    crashed_ = true;
  }
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    const Worker::Scope scope(*workers_[entry->worker]);
    entry->cell->crash();
    if (!entry->name.empty()) registry_.release(entry->name, entry->address);
    entry->name.clear();
  }
  // What is dropped may answer, and an answer goes into a mailbox that was empty already. Each
  // round ends a request, and those are not renewed.
  std::size_t dropped = 1;
  while (dropped > 0) {
    dropped = 0;
    for (const Entry& entry : entries_) {
      const Worker::Scope scope(*workers_[entry.worker]);
      dropped += entry.cell->drop_all();
    }
  }
  ASPEN_ASSERT(entries_.front().type != nullptr);
}

Result<Address> System::find_actor(std::uint64_t id) const {
  if (id == root_id) return fail(Code::failed_precondition, "the root ends with the node alone");
  const ThreadLockGuard guard(lock_);
  for (const Entry& entry : entries_) {
    if (entry.type != nullptr && entry.id() == id) return entry.address;
  }
  return fail(Code::not_found, "no such actor");
}

Result<void> System::fail_actor(std::uint64_t id, const Error& error) {
  const Result<Address> address = find_actor(id);
  if (!address) return tl::unexpected<Error>(address.error());
  send_control(*address, control::Fail{error});
  return {};
}

Result<void> System::stop_actor(std::uint64_t id) {
  const Result<Address> address = find_actor(id);
  if (!address) return tl::unexpected<Error>(address.error());
  send_control(*address, control::Stop{});
  return {};
}

}  // namespace aspen::actor
