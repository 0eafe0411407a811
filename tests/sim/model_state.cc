#include "tests/sim/model_state.h"

#include <utility>

#include "node/base/assert.h"
#include "node/base/membership.h"

namespace aspen::sim {

std::uint64_t fold(std::uint64_t hash, std::uint64_t value) noexcept {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
  return hash ^ (hash >> 29U);
}

Bytes encode(const Command& command, std::size_t padding_bytes) {
  Writer out;
  out.reserve(26 + padding_bytes);
  out.u64(command.operation).u8(static_cast<std::uint8_t>(command.action)).u8(command.target);
  out.u64(command.value).u64(command.expected);
  if (padding_bytes > 0) out.raw(std::string(padding_bytes, 'x'));
  return Bytes(out.view());
}

std::optional<Command> decode_command(const Bytes& bytes) {
  Reader in(bytes.view());
  Command command;
  command.operation = in.u64();
  command.action = static_cast<RegisterAction>(in.u8());
  command.target = in.u8();
  command.value = in.u64();
  command.expected = in.u64();
  if (!in.ok() || command.target >= registers_max) return std::nullopt;
  return command;
}

std::optional<CommandResult> ModelState::apply(const Entry& entry, std::uint64_t chain_there) {
  ASPEN_ASSERT(entry.id.index == applied + 1);
  applied = entry.id.index;
  term = entry.id.term;
  chain = chain_there;
  digest = fold(digest, chain);
  if (entry.kind == EntryKind::config) {
    auto decoded = decode_config(entry.payload.view());
    ASPEN_ASSERT(decoded.has_value());
    config = {entry.id, std::move(*decoded)};
  }
  if (entry.kind != EntryKind::command) return std::nullopt;
  const auto command = decode_command(entry.payload);
  if (!command) return std::nullopt;
  std::uint64_t& target = registers[command->target];
  CommandResult result{Answer::done, target};
  if (command->action == RegisterAction::cas && target != command->expected) {
    result.answer = Answer::mismatch;
  } else {
    target = command->value;
  }
  digest = fold(digest, result.seen * 2 + (result.answer == Answer::done ? 1 : 0));
  return result;
}

}  // namespace aspen::sim
