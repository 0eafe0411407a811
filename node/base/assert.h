// Assertions that stay on in release. They state facts about our own code; a check of foreign input
// is an Error instead (base/error.h). A failed one prints the expression, the place and the node's
// context line, and aborts (exit status 134).
#pragma once

namespace aspen {

// Text printed with every failed assertion, such as the node's id or the simulator's seed.
// Thread: set once before other threads start, or by a single-threaded simulator at any time.
// `text` must outlive all asserts.
void set_assert_context(const char* text) noexcept;

[[noreturn]] void assert_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace aspen

#define ASPEN_ASSERT(expression)                               \
  do {                                                         \
    if (!(expression)) [[unlikely]]                            \
      ::aspen::assert_failed(#expression, __FILE__, __LINE__); \
  } while (false)

// Documents that both values are legal here.
#define ASPEN_MAYBE(expression) static_cast<void>(expression)

#define ASPEN_UNREACHABLE() ::aspen::assert_failed("unreachable", __FILE__, __LINE__)
