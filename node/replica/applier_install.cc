// The Applier takes over a snapshot.
#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/replica/applier.h"
#include "node/replica/errors.h"

namespace aspen::replica {

void Applier::on(InstallState&& message, Context&) noexcept {
  if (ended_) return;
  ASPEN_ASSERT(message.id.index.value > 0);
  ASPEN_ASSERT(!installed_.has_value());
  StateInstalled done{parts_.boot, {}, Index(), 0};
  const bool behind = store_->applied().index < message.id.index;
  if (behind && !install(message, done)) return;
  done.applied = store_->applied().index;
  done.revision = store_->revision();
  installed_ = std::move(done);
  tell_installed();
}

bool Applier::install(const InstallState& message, StateInstalled& done) noexcept {
  const Result<void> installed = parts_.state.install(message.directory);
  if (!installed && installed.error().code == Code::corrupt) {
    done.result = installed;  // the old state stays
    return true;
  }
  Result<kv::Store> store =
      installed ? kv::Store::open(parts_.state) : tl::unexpected<Error>(installed.error());
  if (store && store->applied() != message.id) {
    store = fail(Code::corrupt, "a snapshot was installed that is not what it was said to be");
  }
  if (!store) {
    ended_ = true;
    parts_.fatal.fail("state", store.error());
    return false;
  }
  store_.emplace(std::move(*store));
  ASPEN_ASSERT(store_->applied() == message.id);
  skip_to_installed();
  return true;
}

// What was to be applied up to there is part of the snapshot: with what result, nobody knows.
void Applier::skip_to_installed() noexcept {
  const Index applied = store_->applied().index;
  while (!entries_.empty() && entries_.front().id.index <= applied) entries_.pop_front();
  if (!entries_.empty() && entries_.front().id.index != applied + 1) entries_.clear();
  while (!waiting_.empty() && waiting_.front().index <= applied) {
    waiting_.front().responder.fail(error_unknown);
    waiting_.pop_front();
  }
  for (auto& [revision, wait] : physical_) wait.responder.fail(error_unknown);
  physical_.clear();
  committed_ = std::max(committed_, applied);
  durable_ = std::max(durable_, applied);
  unflushed_bytes_ = 0;
  flushed_at_ = parts_.clock.now();
  sizes_ = parts_.state.sizes();
  ASPEN_ASSERT(durable_ <= store_->applied().index);
  ASPEN_ASSERT(committed_ >= store_->applied().index);
}

void Applier::tell_installed() noexcept {
  if (!installed_) return;
  if (parts_.raft.tell(std::move(*installed_))) installed_.reset();
}

}  // namespace aspen::replica
