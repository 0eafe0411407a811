// Opens the log of a replica, which reads all of it: seconds for a long one. It does so on the
// log's own worker, so that links, probes and the other actors go on.
//
// Owner: the RaftActor. Bound: one request at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "node/actor/actor.h"
#include "node/port/file_system.h"
#include "node/port/log_store.h"
#include "node/port/state_store.h"
#include "node/replica/identity.h"
#include "node/replica/protocols.h"

namespace aspen::replica {

class LogOpener final : public actor::Actor<LogOpener, LogOpenerProtocol> {
 public:
  using Context = actor::Context<LogOpener>;
  // Opens the log of an initialised identity.
  using Open = std::function<Result<std::shared_ptr<LogStore>>(const Identity&)>;
  struct Parts {
    Open open;
    const StateStore& state;
    FileSystem* files = nullptr;  // null: no snapshots are taken over
    std::string snapshots;        // where they are put together
  };
  explicit LogOpener(Parts parts) : parts_(std::move(parts)) {}

  // Answers with the open log, which has its first entry. A process that ended after a snapshot had
  // become the state and before the log began behind it finds that here, and does it. Possible
  // errors: no_space (ask again when there is room), corrupt (also: an empty log of an identity
  // that has begun one), and those of `open`.
  void on(OpenLog&& message, actor::Responder<OpenedLog>&& responder, Context& context) noexcept;

 private:
  Parts parts_;
};

}  // namespace aspen::replica
