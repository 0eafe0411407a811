// What an actor accepts. A message is a struct. A request is a message that names the type of its
// answer as `Reply`. A message may name its `priority` within the message lane, a request also the
// priority of its answer as `reply_priority`. A Protocol lists the accepted messages once; a send
// of anything else does not compile.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace aspen::actor {

// Strict: a message waits for all of a higher priority in its mailbox. Within one priority messages
// of one sender keep their order.
enum class Priority : std::uint8_t { urgent = 0, high = 1, normal = 2, low = 3 };

template <class M>
concept Request = requires {
  typename M::Reply;
};

template <class M>
[[nodiscard]] constexpr Priority priority_of() noexcept {
  if constexpr (requires { M::priority; }) {
    return M::priority;
  } else {
    return Priority::normal;
  }
}

template <class M>
[[nodiscard]] constexpr Priority reply_priority_of() noexcept {
  if constexpr (requires { M::reply_priority; }) {
    return M::reply_priority;
  } else {
    return Priority::high;
  }
}

template <class... M>
struct Protocol {
  static constexpr std::size_t size = sizeof...(M);
  static_assert((std::is_nothrow_move_constructible_v<M> && ...),
                "a message moves without exceptions");

  template <class X>
  static constexpr bool accepts = (std::same_as<X, M> || ...);

  template <class X>
  [[nodiscard]] static constexpr std::uint16_t index_of() noexcept {
    std::uint16_t index = 0;
    static_cast<void>(((std::same_as<X, M> ? false : (++index, true)) && ...));
    return index;
  }
};

// An actor of protocol P takes messages of type M.
template <class M, class P>
concept AcceptedBy = P::template accepts<std::remove_cvref_t<M>>;

}  // namespace aspen::actor
