// A look at the actors of this node, and a hand on them for those who test that the tree heals.
//
// Owner: the assembly. Thread: any; nothing blocks.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "node/actor/system.h"
#include "node/base/error.h"

namespace aspen::gateway {

using actor::ActorState;
using ActorLine = actor::ActorStats;
using ActorKey = std::variant<std::uint64_t, std::string>;  // id or name

// How an actor is ended; its supervisor decides what follows.
enum class EndAs : std::uint8_t {
  stopped,  // of its own accord, after the message in hand, children first
  failed,   // as if its handler had failed
};

class Actors {
 public:
  virtual ~Actors() = default;
  // Parents before children. `root` 0: all.
  // Possible errors: not_found.
  [[nodiscard]] virtual Result<std::vector<ActorLine>> tree(std::uint64_t root) const = 0;
  // The line is of before its end. Possible errors: not_found, failed_precondition (the root).
  [[nodiscard]] virtual Result<ActorLine> end(const ActorKey& key, EndAs how) = 0;
};

class SystemActors final : public Actors {
 public:
  // `system` outlives it.
  explicit SystemActors(actor::System& system) : system_(system) {}
  [[nodiscard]] Result<std::vector<ActorLine>> tree(std::uint64_t root) const override;
  [[nodiscard]] Result<ActorLine> end(const ActorKey& key, EndAs how) override;

 private:
  actor::System& system_;
};

}  // namespace aspen::gateway
