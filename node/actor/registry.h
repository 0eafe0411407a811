// Names of actors. A name is taken by spawn with ChildOptions::name and released only after the
// actor has ended and its supervisor has given it up, so that two owners of a name never overlap;
// it stays through restarts.
//
// Owner: the System. Thread: any. Bound: limits::actor_names_max.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "node/actor/endpoint.h"
#include "node/actor/ref.h"
#include "node/actor/thread_lock.h"
#include "node/base/error.h"

namespace aspen::actor {

// The identity of a protocol within a process.
template <class P>
inline constexpr char protocol_tag = 0;

class Registry {
 public:
  // Possible errors: not_found (no such name), failed_precondition (the actor of that name speaks
  // another protocol).
  template <class P>
  [[nodiscard]] Result<Ref<P>> find(std::string_view name) const {
    const Result<Address> found = find(name, &protocol_tag<P>);
    if (!found) return tl::unexpected<Error>(found.error());
    return Ref<P>(*found);
  }

  // The runtime's. Possible errors: already_exists, overloaded (too many names), invalid_argument
  // (the name is too long).
  Result<void> take(const std::string& name, const Address& address, const void* protocol);
  void release(const std::string& name, const Address& address) noexcept;

 private:
  struct Owner {
    Address address;
    const void* protocol;
  };
  [[nodiscard]] Result<Address> find(std::string_view name, const void* protocol) const;

  mutable ThreadLock lock_;
  std::map<std::string, Owner, std::less<>> names_;
};

}  // namespace aspen::actor
