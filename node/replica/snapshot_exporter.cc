#include "node/replica/snapshot_exporter.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/read_state.h"
#include "node/kv/store.h"
#include "node/wire/snapshot_codec.h"

namespace aspen::replica {

namespace {

constexpr std::string_view component = "snapshot";
// So long a transfer that broke finds the same bytes.
constexpr Duration linger = std::chrono::seconds(120);
constexpr Duration make_again_delay = std::chrono::seconds(1);
constexpr Duration send_again_delay = std::chrono::milliseconds(500);
constexpr Duration report_again_delay = std::chrono::milliseconds(50);
constexpr std::size_t chunks_per_step = 32;
// Of the state's content; the state row says its own.
constexpr std::uint64_t state_format = 1;

}  // namespace

SnapshotExporter::SnapshotExporter(Parts parts)
    : parts_(std::move(parts)),
      metrics_(parts_.telemetry),
      sender_(snapshot::SenderOptions{.bytes_per_second = parts_.bytes_per_second},
              snapshot::TransferId(parts_.boot)) {
  ASPEN_ASSERT(!parts_.root.empty());
}

Result<void> SnapshotExporter::pre_start(Context&) noexcept {
  Result<void> ready = parts_.files.create_directory(parts_.root);
  if (ready) ready = remove_checkpoints(parts_.files, parts_.root);
  // A disk that cannot do that will not make a checkpoint either, and says so then.
  if (!ready) {
    parts_.log.warn(component, "old checkpoints cannot be removed", {{"error", ready.error()}});
  }
  return {};
}

// ---- requests

void SnapshotExporter::on(SendSnapshot&& message, Context& context) noexcept {
  const NodeId to = message.to.id;
  const auto served = serving_.find(to);
  if (served != serving_.end()) {
    // A new stream to the same peer: what is on its way still helps, or is replaced.
    const bool helps = served->second.request.to == message.to &&
                       usable(served->second.checkpoint, message.at_least);
    if (helps) {
      served->second.request = message;
      return;
    }
    sender_.cancel(served->second.request.to);
    carry_out(context.now());
  }
  for (Waiting& each : waiting_) {
    if (each.request.to.id != to) continue;
    answer(each.request, LogId(), raft::SnapshotResult::failed);
    each.request = message;
    return;
  }
  if (waiting_.size() >= limits::members_max) {
    return answer(message, LogId(), raft::SnapshotResult::failed);
  }
  const auto failed = failed_at_.find(to);
  const Instant not_before =
      failed == failed_at_.end() ? context.now() : failed->second + send_again_delay;
  waiting_.push_back({message, not_before});
  advance(context.now());
}

void SnapshotExporter::on(StopSending&&, Context& context) noexcept {
  for (const Waiting& each : std::exchange(waiting_, {})) {
    answer(each.request, LogId(), raft::SnapshotResult::failed);
  }
  std::vector<PeerId> peers;
  for (const auto& [id, serving] : serving_) peers.push_back(serving.request.to);
  for (const PeerId& peer : peers) sender_.cancel(peer);
  carry_out(context.now());
  ASPEN_ASSERT(serving_.empty());
}

void SnapshotExporter::on(TakeSnapshot&& message, actor::Responder<SnapshotTaken>&& responder,
                          Context& context) noexcept {
  if (usable(current_, message.at_least)) {
    used_at_ = context.now();
    return responder.reply(taken());
  }
  if (clients_.size() >= limits::snapshot_clients_max) {
    return responder.fail(Error{Code::overloaded, "too many wait for a snapshot"});
  }
  clients_.push_back({std::move(responder), message.at_least});
}

void SnapshotExporter::on(SnapshotReceived&& message, Context& context) noexcept {
  sender_.receive(context.now(), message.from, message.message);
  carry_out(context.now());
}

void SnapshotExporter::on(ExporterTick&&, Context& context) noexcept {
  sender_.tick(context.now());
  carry_out(context.now());
}

void SnapshotExporter::batch_end(Context& context) noexcept {
  report();
  let_go(context.now());
  advance(context.now());
  schedule(context);
}

// ---- checkpoints

bool SnapshotExporter::usable(const Shared& checkpoint, Index at_least) const noexcept {
  return checkpoint != nullptr && checkpoint->manifest().id.index >= at_least;
}

// Begins what may begin.
void SnapshotExporter::advance(Instant now) {
  for (std::size_t i = 0; i < waiting_.size();) {
    const bool may = waiting_[i].not_before <= now &&
                     sender_.size() < limits::snapshot_transfers_max &&
                     serves(now, waiting_[i].request);
    if (!may) {
      ++i;
      continue;
    }
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  ASPEN_ASSERT(sender_.size() == serving_.size());
  const bool wanted = std::ranges::any_of(waiting_, [&](const Waiting& each) {
    return each.not_before <= now && !usable(current_, each.request.at_least);
  });
  const bool room = sender_.size() < limits::snapshot_transfers_max;
  if ((wanted && room) || !clients_.empty()) make(now);
}

bool SnapshotExporter::serves(Instant now, const SendSnapshot& request) {
  if (!usable(current_, request.at_least)) return false;
  const snapshot::Source source{request.term, current_->manifest().id, current_->digest(),
                                current_->encoded(), current_->chunks()};
  const Result<void> started = sender_.start(now, request.to, 0, source);
  if (!started) return false;
  used_at_ = now;
  serving_[request.to.id] = Serving{request, current_};
  parts_.log.info(component, "a snapshot is sent",
                  {{"to", request.to.id},
                   {"index", source.id.index},
                   {"bytes", current_->manifest().size_bytes()}});
  carry_out(now);
  return true;
}

void SnapshotExporter::make(Instant now) {
  if (making_ || now < make_again_) return;
  std::string directory = checkpoint_directory(parts_.root, {parts_.boot, next_number_++});
  const Result<void> copied = parts_.state.checkpoint(directory);
  making_ = Making{directory, nullptr, now};
  if (!copied) return give_up_making(now, copied.error());
  Result<snapshot::Manifest> head = read_head(directory);
  if (!head) return give_up_making(now, head.error());
  making_->describer =
      std::make_unique<snapshot::Describer>(parts_.files, directory, std::move(*head));
}

// What the copy holds is read from the copy: the applier goes on while it is made.
Result<snapshot::Manifest> SnapshotExporter::read_head(const std::string& directory) const {
  const auto view = parts_.state.view_checkpoint(directory);
  if (!view) return tl::unexpected<Error>(view.error());
  const Result<kv::State> state = kv::read_state(**view);
  if (!state) return tl::unexpected<Error>(state.error());
  const auto config = kv::read_config(**view);
  if (!config) return tl::unexpected<Error>(config.error());
  if (state->applied.index.value == 0 || !config->has_value()) {
    return fail(Code::failed_precondition, "nothing was applied yet");
  }
  ASPEN_ASSERT((*config)->id.index <= state->applied.index);
  snapshot::Manifest head;
  head.cluster = parts_.cluster;
  head.id = state->applied;
  head.config_id = (*config)->id;
  head.config = std::string((*config)->payload.view());
  head.revision = state->revision;
  head.state_format = state_format;
  return head;
}

void SnapshotExporter::on(DescribeMore&&, Context& context) noexcept {
  describing_ = false;
  if (!making_) return;
  ASPEN_ASSERT(making_->describer != nullptr);
  const Result<bool> done = making_->describer->step(chunks_per_step);
  if (!done) return give_up_making(context.now(), done.error());
  if (*done) made(context.now(), making_->describer->take());
}

void SnapshotExporter::made(Instant now, snapshot::Manifest manifest) {
  ASPEN_ASSERT(making_.has_value());
  metrics_.save_seconds.observe(std::chrono::duration<double>(now - making_->begun).count());
  current_ =
      std::make_shared<const Checkpoint>(parts_.files, making_->directory, std::move(manifest));
  making_.reset();
  used_at_ = now;
  for (Client& client : std::exchange(clients_, {})) {
    if (usable(current_, client.at_least)) {
      client.responder.reply(taken());
    } else {
      clients_.push_back(std::move(client));  // it has seen more: the next one
    }
  }
  ASPEN_ASSERT(current_->chunks() <= limits::snapshot_chunks_max);
}

SnapshotTaken SnapshotExporter::taken() const {
  ASPEN_ASSERT(current_ != nullptr);
  const snapshot::Manifest& manifest = current_->manifest();
  return {{parts_.cluster, parts_.self, manifest.revision, manifest.id.term}, current_};
}

void SnapshotExporter::give_up_making(Instant now, const Error& error) {
  ASPEN_ASSERT(making_.has_value());
  parts_.log.warn(component, "a snapshot cannot be made", {{"error", error}});
  ASPEN_MAYBE(remove_with_files(parts_.files, making_->directory));
  making_.reset();
  make_again_ = now + make_again_delay;
  for (Client& client : std::exchange(clients_, {})) client.responder.fail(error);
}

void SnapshotExporter::let_go(Instant now) {
  if (current_ == nullptr || now - used_at_ < linger) return;
  const bool used = std::ranges::any_of(
      serving_, [this](const auto& each) { return each.second.checkpoint == current_; });
  if (used) {
    used_at_ = now;
  } else {
    current_.reset();
  }
}

// ---- transfers

void SnapshotExporter::carry_out(Instant now) {
  for (;;) {
    snapshot::SenderEffects effects = sender_.take();
    if (effects.send.empty() && effects.reads.empty() && effects.ended.empty()) break;
    for (const snapshot::Envelope& each : effects.send) {
      const auto* piece = std::get_if<snapshot::Piece>(&each.message);
      if (piece != nullptr) metrics_.sent_bytes.add(static_cast<double>(piece->content.size()));
      const Lane lane = piece == nullptr ? Lane::normal : Lane::bulk;
      parts_.peers.transfer({each.to.id, wire::cast_snapshot, wire::encode(each.message), lane});
    }
    for (const snapshot::SendEnded& each : effects.ended) ended(now, each);
    for (const snapshot::ReadChunk& each : effects.reads) read(now, each);
  }
  metrics_.sending.set(static_cast<double>(serving_.size()));
  ASPEN_ASSERT(sender_.size() == serving_.size());
}

void SnapshotExporter::read(Instant now, const snapshot::ReadChunk& asked) {
  const std::optional<PeerId> to = sender_.peer_of(asked.transfer);
  if (!to) return;  // it has ended meanwhile
  const auto serving = serving_.find(to->id);
  ASPEN_ASSERT(serving != serving_.end());
  const Result<Bytes> content = serving->second.checkpoint->read(asked.number);
  if (!content) {
    parts_.log.warn(component, "a checkpoint cannot be read", {{"error", content.error()}});
    current_.reset();  // not what it was
  }
  sender_.chunk_read(now, asked, content);
}

void SnapshotExporter::ended(Instant now, const snapshot::SendEnded& end) {
  const auto serving = serving_.find(end.to.id);
  ASPEN_ASSERT(serving != serving_.end());
  const bool installed = end.outcome == snapshot::Outcome::installed;
  (installed ? metrics_.sent : metrics_.send_failures).add(1);
  if (installed) {
    failed_at_.erase(end.to.id);
  } else if (failed_at_.size() < limits::members_max || failed_at_.contains(end.to.id)) {
    failed_at_[end.to.id] = now;
  }
  parts_.log.info(component, installed ? "a snapshot was taken over" : "a snapshot did not arrive",
                  {{"to", end.to.id}, {"index", end.id.index}});
  answer(serving->second.request, end.id,
         installed ? raft::SnapshotResult::installed : raft::SnapshotResult::failed);
  used_at_ = now;
  serving_.erase(serving);
}

void SnapshotExporter::answer(const SendSnapshot& request, const LogId& id,
                              raft::SnapshotResult result) {
  reports_.push_back({parts_.boot, request.to, request.epoch, id, result});
  // Each answers a request, and the RaftActor has one open for each peer.
  ASPEN_ASSERT(reports_.size() <= 4 * limits::members_max);
}

void SnapshotExporter::report() {
  while (!reports_.empty() && parts_.raft.tell(std::move(reports_.front()))) {
    reports_.pop_front();
  }
}

void SnapshotExporter::schedule(Context& context) {
  if (making_ && !describing_) describing_ = context.self().tell(DescribeMore{}).has_value();
  const Instant now = context.now();
  Instant at = sender_.next_deadline();
  // Who waits for a slot or a checkpoint goes on when there is one.
  for (const Waiting& each : waiting_) {
    const Instant due = std::max(each.not_before, make_again_);
    if (due > now) at = std::min(at, due);
  }
  if (current_ != nullptr) at = std::min(at, used_at_ + linger);
  if (!clients_.empty() && make_again_ > now) at = std::min(at, make_again_);
  if (!reports_.empty() || (making_ && !describing_)) at = std::min(at, now + report_again_delay);
  if (at == Instant::never()) return;
  const Duration delay = std::max<Duration>(at - now, std::chrono::milliseconds(1));
  timer_ = context.after(delay, ExporterTick{});
}

}  // namespace aspen::replica
