// A linearizability checker for registers with read, write and compare-and-swap, after Wing and
// Gong with Lowe's memory of configurations. It sees what clients saw and nothing else: no log
// index, no revision, so that a wrong one of those cannot hide a violation. Pure: any test may use
// it, with any clock, as long as all times of one history come from the same one.
//
// An operation precedes another if it returned strictly before the other was invoked. Time is
// bounded by `steps_max`; memory by 16 bytes for each step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace aspen::sim {

enum class RegisterAction : std::uint8_t { read, write, cas };

// What the client learnt.
enum class Answer : std::uint8_t {
  unknown,   // nothing: it may have happened, may still happen, or never
  done,      // read: `seen` was there; write: done; cas: it was `expected`, is `value`
  mismatch,  // cas: it was not `expected`, but `seen` if that is known
};

inline constexpr std::uint64_t never = ~std::uint64_t{0};

// An operation that certainly did not happen is left out of a history.
struct Operation {
  std::uint64_t client = 0;  // for messages only
  std::uint64_t key = 0;     // the register; each is checked alone (linearizability is local)
  RegisterAction action = RegisterAction::read;
  Answer answer = Answer::unknown;
  std::uint64_t value = 0;     // write and cas: the new value
  std::uint64_t expected = 0;  // cas
  std::optional<std::uint64_t> seen = std::nullopt;
  std::uint64_t invoked = 0;
  std::uint64_t returned = never;  // `never` exactly if the answer is unknown
};

enum class Linearizable : std::uint8_t { yes, no, undecided };

struct WglVerdict {
  Linearizable linearizable = Linearizable::yes;
  std::uint64_t key = 0;           // no: of this register
  std::vector<Operation> blocked;  // no: at the deepest point, the operations none of which fits
  std::uint64_t steps = 0;
};

struct WglOptions {
  std::uint64_t initial = 0;  // the value of every register at first
  std::uint64_t steps_max = 20'000'000;
};

// Precondition: invoked <= returned; a definite read has `seen`.
// `undecided` only if steps_max was reached.
[[nodiscard]] WglVerdict check_linearizable(const std::vector<Operation>& history,
                                            WglOptions options = {});

// "client 3 writes 17 [100, 250]"
[[nodiscard]] std::string to_string(const Operation& operation);

}  // namespace aspen::sim
