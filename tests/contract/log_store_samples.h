// What the tests of logs write.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "node/base/entry.h"

namespace aspen::contract {

// Entries first..last of one term whose payloads are made of the index.
[[nodiscard]] std::vector<Entry> make_entries(LogId first, Index last, std::size_t payload_bytes);
[[nodiscard]] Entry make_config(LogId id, std::string_view payload);
[[nodiscard]] HardState make_hard_state(Term term, NodeId vote);

}  // namespace aspen::contract
