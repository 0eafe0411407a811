// Opens the log of a replica, which reads all of it: seconds for a long one. It does so on the
// log's own worker, so that links, probes and the other actors go on.
//
// Owner: the RaftActor. Bound: one request at a time.
#pragma once

#include <functional>
#include <memory>

#include "node/actor/actor.h"
#include "node/port/log_store.h"
#include "node/replica/identity.h"
#include "node/replica/protocols.h"

namespace aspen::replica {

class LogOpener final : public actor::Actor<LogOpener, LogOpenerProtocol> {
 public:
  using Context = actor::Context<LogOpener>;
  // Opens the log of an initialised identity.
  using Open = std::function<Result<std::shared_ptr<LogStore>>(const Identity&)>;
  explicit LogOpener(Open open) : open_(std::move(open)) {}

  // Answers with the open log, which has its first entry. Possible errors: no_space (ask again when
  // there is room), corrupt (also: an empty log of an identity that has begun one), and those of
  // `open`.
  void on(OpenLog&& message, actor::Responder<OpenedLog>&& responder, Context& context) noexcept;

 private:
  Open open_;
};

}  // namespace aspen::replica
