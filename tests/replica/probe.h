// An actor that stands where the RaftActor does and notes what its children tell it.
#pragma once

#include <vector>

#include "node/base/assert.h"
#include "node/replica/protocols.h"

namespace aspen::replica {

struct Told {
  std::vector<LogDone> done;
  std::vector<LogStalled> stalled;
  std::vector<AppliedUpTo> applied;
  std::vector<LogRead> read;
  std::vector<StateInstalled> installed;
};

class Probe final : public actor::Actor<Probe, RaftProtocol> {
 public:
  using Context = actor::Context<Probe>;
  explicit Probe(Told& told) : told_(told) {}

  void on(LogDone&& message, Context&) noexcept { told_.done.push_back(message); }
  void on(LogStalled&& message, Context&) noexcept { told_.stalled.push_back(message); }
  void on(AppliedUpTo&& message, Context&) noexcept { told_.applied.push_back(message); }
  void on(LogRead&& message, Context&) noexcept { told_.read.push_back(std::move(message)); }

  // Nobody sends these here.
  void on(Propose&&, CommandResponder&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(Read&&, ReadResponder&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(LocalRead&&, ReadResponder&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(GetView&&, actor::Responder<ReplicaView>&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(PeerMessage&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(PeerLinkChanged&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(ForwardReceived&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(ForwardRefused&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(Initialised&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(IdentityDoubted&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(OpenAgain&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(RaftTick&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(Control&&, actor::Responder<ControlAnswer>&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(HandOver&&, actor::Responder<HandedOver>&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(ControlReceived&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(ControlAnswered&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(AddressProbed&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(MemberFound&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(Introduced&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(MemberPlaced&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(SnapshotReceived&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(SnapshotEnded&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(SnapshotArrived&&, Context&) noexcept { ASPEN_UNREACHABLE(); }
  void on(StateInstalled&& message, Context&) noexcept {
    told_.installed.push_back(std::move(message));
  }
  void on(TakeSnapshot&&, actor::Responder<SnapshotTaken>&&, Context&) noexcept {
    ASPEN_UNREACHABLE();
  }

 private:
  Told& told_;
};

}  // namespace aspen::replica
