#include "node/gateway/actors.h"

#include <algorithm>
#include <set>

namespace aspen::gateway {

namespace {

constexpr Error no_such_actor{Code::not_found, "no such actor: see the tree of this node"};

bool is_called(const ActorLine& line, const ActorKey& key) {
  if (const auto* id = std::get_if<std::uint64_t>(&key)) return line.id == *id;
  return !line.name.empty() && line.name == std::get<std::string>(key);
}

}  // namespace

Result<std::vector<ActorLine>> SystemActors::tree(std::uint64_t root) const {
  std::vector<ActorLine> all = system_.tree();
  if (root == 0) return all;
  std::set<std::uint64_t> within;
  std::vector<ActorLine> lines;
  for (ActorLine& line : all) {
    if (line.id != root && !within.contains(line.parent)) continue;
    within.insert(line.id);
    lines.push_back(std::move(line));
  }
  if (lines.empty()) return tl::unexpected<Error>(no_such_actor);
  return lines;
}

Result<ActorLine> SystemActors::end(const ActorKey& key, EndAs how) {
  const std::vector<ActorLine> lines = system_.tree();
  const auto found = std::find_if(lines.begin(), lines.end(),
                                  [&key](const ActorLine& line) { return is_called(line, key); });
  if (found == lines.end()) return tl::unexpected<Error>(no_such_actor);
  const Error killed{Code::failed_precondition, "killed by an operator"};
  const Result<void> told =
      how == EndAs::stopped ? system_.stop_actor(found->id) : system_.fail_actor(found->id, killed);
  if (!told) return tl::unexpected<Error>(told.error());
  return *found;
}

}  // namespace aspen::gateway
