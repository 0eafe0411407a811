// The model's state machine: a few registers, and a digest into which every applied entry and every
// answer is folded, so that two replicas that ever applied different things differ for good.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "node/base/entry.h"
#include "node/raft/core.h"
#include "tests/sim/wgl.h"

namespace aspen::sim {

inline constexpr std::size_t registers_max = 8;

// A command as it stands in an entry.
struct Command {
  std::uint64_t operation = 0;  // the workload's number of it, from 1
  RegisterAction action = RegisterAction::write;
  std::uint8_t target = 0;
  std::uint64_t value = 0;
  std::uint64_t expected = 0;
};

[[nodiscard]] Bytes encode(const Command& command, std::size_t padding_bytes);
// Nothing if the bytes are no command.
[[nodiscard]] std::optional<Command> decode_command(const Bytes& bytes);

struct CommandResult {
  Answer answer = Answer::done;
  std::uint64_t seen = 0;  // what was there before
};

struct ModelState {
  Index applied;
  Term term;                // of the entry applied last
  std::uint64_t chain = 0;  // of the log up to it
  raft::LoggedConfig config;
  std::uint64_t digest = 0;
  std::array<std::uint64_t, registers_max> registers{};
  friend bool operator==(const ModelState&, const ModelState&) = default;
  [[nodiscard]] LogId id() const noexcept { return {term, applied}; }

  // Precondition: `entry` follows `applied`. A command's result, if it is one.
  std::optional<CommandResult> apply(const Entry& entry, std::uint64_t chain);
};

// One step of the hash that chains entries and answers.
[[nodiscard]] std::uint64_t fold(std::uint64_t hash, std::uint64_t value) noexcept;

}  // namespace aspen::sim
