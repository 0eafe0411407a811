#include "node/kv/read_state.h"

#include "node/base/assert.h"
#include "node/base/bytes.h"
#include "node/kv/layout.h"

namespace aspen::kv {
namespace {

Result<void> check_empty(const StateView& view) {
  const auto rows = view.iterator({}, {});
  rows->seek({});
  if (rows->valid()) return fail(Code::corrupt, "state store: data without a state row");
  return rows->status();
}

}  // namespace

Result<State> read_state(const StateView& view) {
  const auto text = view.get(layout::state_row);
  if (!text) return tl::unexpected(text.error());
  if (!*text) {
    if (const auto empty = check_empty(view); !empty) return tl::unexpected(empty.error());
    return State{};
  }
  return parse_state(**text);
}

Result<State> parse_state(std::string_view text) {
  Reader in(text);
  const std::uint64_t format = in.varint();
  if (!in.ok() || format == 0) return fail(Code::corrupt, "state store: malformed state row");
  if (format > layout::format_number) {
    return fail(Code::unsupported, "state store: a newer format: upgrade this node", format);
  }
  auto state = layout::decode_state(in.rest());
  if (!state) return tl::unexpected(state.error());
  ASPEN_ASSERT(state->revision >= revision_initial);
  ASPEN_ASSERT(state->compact_revision <= state->revision);
  return state;
}

}  // namespace aspen::kv
