// The operator of the simulated cluster: adds, promotes, removes and replaces members, changes the
// voters, hands the leadership over, and loses disks where the cluster must survive it. Each action
// is one fault of the plan, so that a minimiser can leave it out.
//
// The budget: a disk of a member is lost only while the cluster is settled and every other member
// still has its own, and nothing but the removal of the dead member is asked for until that is
// done. So no quorum of an acknowledged entry, and none of a configuration, is ever destroyed, and
// an alarm is a bug of the product.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "node/gateway/gateway.h"
#include "tests/sim/dice.h"
#include "tests/sim/node/coverage.h"
#include "tests/sim/node/plan.h"

namespace aspen::sim::node {

class World;

class Operator {
 public:
  explicit Operator(World& world) : world_(world) {}

  // One of the families of an operator. `machine` is where the plan points to.
  void act(Family family, std::size_t machine, Dice& dice);
  // From now on members without their disk are removed, and nothing else is asked for.
  void heal();
  // No change is under way, a leader has committed the configuration in force, which is no joint
  // one, and every member still has its disk.
  [[nodiscard]] bool settled() const;
  // The machine of a member whose data directory is the one that the cluster knows.
  [[nodiscard]] bool is_member(std::size_t machine) const;
  // Whether the others decide without this machine, whatever becomes of it. Precondition:
  // settled().
  [[nodiscard]] bool dispensable(std::size_t machine) const;

 private:
  using Then = std::function<void()>;

  // In force at the leader, if that is committed.
  [[nodiscard]] const Config* config() const;
  [[nodiscard]] const Member* member_at(const Config& config, std::size_t machine) const;
  [[nodiscard]] std::optional<std::size_t> machine_of(const Member& member) const;
  [[nodiscard]] bool has_disk(const Member& member) const;
  [[nodiscard]] const Member* without_disk(const Config& config) const;
  [[nodiscard]] bool may_lose_disk(std::size_t machine) const;

  void add(std::size_t machine, Dice& dice);
  void promote(const Config& config, Dice& dice);
  void change_voters(const Config& config, Dice& dice);
  void remove(const Config& config, std::size_t machine);
  void transfer(const Config& config, Dice& dice);
  void lose_disk(std::size_t machine, Dice& dice);
  void ask(gateway::MembershipRequest request, Site done, Then then = {});
  void tend();
  void note(Code code);

  World& world_;
  std::size_t waiting_ = 0;  // requests without an answer
  Time quiet_from_ = 0;      // until then a change of unknown outcome may still appear
  bool healing_ = false;
};

}  // namespace aspen::sim::node
