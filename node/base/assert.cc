#include "node/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace aspen {

namespace {
const char* assert_context = "";
}  // namespace

void set_assert_context(const char* text) noexcept {
  assert_context = text;
}

void assert_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "aspen: assertion failed: %s (%s:%d) %s\n", expression, file, line,
               assert_context);
  std::fflush(stderr);
  std::abort();
}

}  // namespace aspen
