#include "node/actor/registry.h"

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::actor {

Result<Address> Registry::find(std::string_view name, const void* protocol) const {
  const ThreadLockGuard guard(lock_);
  const auto found = names_.find(name);
  if (found == names_.end()) return fail(Code::not_found, "no actor has this name");
  if (found->second.protocol != protocol) {
    return fail(Code::failed_precondition, "the actor of this name speaks another protocol");
  }
  return found->second.address;
}

Result<void> Registry::take(const std::string& name, const Address& address, const void* protocol) {
  ASPEN_ASSERT(!name.empty());
  ASPEN_ASSERT(address.endpoint != nullptr);
  if (name.size() > limits::actor_name_bytes_max) {
    return fail(Code::invalid_argument, "an actor's name has at most 64 bytes", name.size());
  }
  const ThreadLockGuard guard(lock_);
  if (names_.size() >= limits::actor_names_max) {
    return fail(Code::overloaded, "too many actors have names", names_.size());
  }
  if (!names_.try_emplace(name, Owner{address, protocol}).second) {
    return fail(Code::already_exists, "an actor of this name exists");
  }
  return {};
}

void Registry::release(const std::string& name, const Address& address) noexcept {
  const ThreadLockGuard guard(lock_);
  const auto found = names_.find(name);
  ASPEN_ASSERT(found != names_.end());
  ASPEN_ASSERT(found->second.address == address);
  names_.erase(found);
}

}  // namespace aspen::actor
