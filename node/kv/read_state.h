// Reads what the store says of itself.
#pragma once

#include <string_view>

#include "node/base/error.h"
#include "node/kv/snapshot.h"
#include "node/port/state_store.h"

namespace aspen::kv {

// The state of an empty store is State{}. Possible errors: io_error, corrupt (a state without a
// format, or data without a state), unsupported (a newer format; detail: its number).
[[nodiscard]] Result<State> read_state(const StateView& view);

// A state row. Possible errors: corrupt, unsupported.
[[nodiscard]] Result<State> parse_state(std::string_view text);

}  // namespace aspen::kv
