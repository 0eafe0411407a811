#include "node/adapter/grpc/snapshot_stream.h"

#include <algorithm>
#include <utility>

#include "node/base/limits.h"

namespace aspen::adapter {

SnapshotStream::SnapshotStream(Method method, ::grpc::CallbackServerContext& context,
                               std::atomic<std::size_t>& streams)
    : method_(method), context_(context), streams_(streams), started_(method.frontend.clock.now()) {
  method_.metrics.on_started();
  if (streams_.fetch_add(1) >= limits::snapshot_clients_max) {
    step_ = Step::finished;
    finish({Code::overloaded, "too many snapshots are read at once"});
    return;
  }
  references_.fetch_add(1, std::memory_order_relaxed);
  method_.frontend.service.snapshot(
      [this](Result<gateway::Reply<gateway::SnapshotResult>>&& opened) {
        on_opened(std::move(opened));
        release();
      });
}

void SnapshotStream::on_opened(Result<gateway::Reply<gateway::SnapshotResult>>&& opened) {
  // After the server's stop nothing behind `method_` may be touched, but no stream is open.
  if (!claim(Step::opening, Step::writing)) return;
  if (!opened) {
    if (claim(Step::writing, Step::finished)) finish(opened.error());
    return;
  }
  header_ = opened->header;
  reader_ = std::move(opened->body.reader);
  ASPEN_ASSERT(reader_ != nullptr);
  left_bytes_ = reader_->size_bytes();
  write_next();
}

void SnapshotStream::write_next() {
  if (method_.frontend.stopping) {
    if (claim(Step::writing, Step::finished)) finish({Code::shutting_down, "the node is stopping"});
    return;
  }
  if (offset_ == piece_.size()) {
    Result<std::string> next = reader_->next();
    const bool over = !next || next->empty();
    if (over) {
      if (claim(Step::writing, Step::finished)) finish(next ? Error{} : next.error());
      return;
    }
    piece_ = std::move(*next);
    offset_ = 0;
  }
  const std::size_t bytes = std::min(limits::snapshot_chunk_bytes, piece_.size() - offset_);
  ASPEN_ASSERT(bytes <= left_bytes_);
  left_bytes_ -= bytes;
  set_header(header_, *response_.mutable_header());
  response_.set_version(wire::etcd_api_version);
  response_.set_blob(piece_.data() + offset_, bytes);
  response_.set_remaining_bytes(left_bytes_);
  offset_ += bytes;
  StartWrite(&response_);
}

void SnapshotStream::OnWriteDone(bool ok) {
  if (ok) {
    write_next();
  } else if (claim(Step::writing, Step::finished)) {
    finish(Error{Code::cancelled});
  }
}

// A write that is under way ends by itself.
void SnapshotStream::OnCancel() {
  if (claim(Step::opening, Step::finished)) finish(Error{Code::cancelled});
}

void SnapshotStream::OnDone() {
  const std::size_t before = streams_.fetch_sub(1);
  ASPEN_ASSERT(before > 0);
  release();
}

bool SnapshotStream::claim(Step from, Step to) {
  const std::lock_guard lock(mutex_);
  if (step_ != from) return false;
  step_ = to;
  return true;
}

void SnapshotStream::finish(const Error& error) {
  reader_.reset();
  context_.AddTrailingMetadata(wire::code_metadata, to_string(error.code));
  const ::grpc::Status status = error.code == Code::ok ? ::grpc::Status::OK : etcd_status(error);
  method_.metrics.on_handled(status.error_code(), method_.frontend.clock.now() - started_);
  Finish(status);
}

void SnapshotStream::release() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

}  // namespace aspen::adapter
