#include "node/replica/snapshot_importer.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/read_state.h"
#include "node/wire/snapshot_codec.h"

namespace aspen::replica {

namespace {

constexpr std::string_view component = "snapshot";
constexpr std::size_t chunks_per_step = 32;
constexpr Duration check_again_delay = std::chrono::milliseconds(50);

}  // namespace

SnapshotImporter::SnapshotImporter(Parts parts)
    : parts_(std::move(parts)),
      metrics_(parts_.telemetry),
      receiver_(snapshot::ReceiverOptions{.cluster = parts_.cluster}) {
  ASPEN_ASSERT(!parts_.root.empty());
}

Result<void> SnapshotImporter::pre_start(Context&) noexcept {
  // The log has followed the state by now: a manifest that is kept longer could hide a log that
  // loses its end some day.
  const Result<kv::State> state = kv::read_state(parts_.state);
  Result<void> ready = parts_.files.create_directory(parts_.root);
  if (ready && state) {
    ready = snapshot::remove_parts_up_to(parts_.files, parts_.root, state->applied.index);
  }
  // A disk that cannot do that takes no snapshot either, and says so then.
  if (!ready) {
    parts_.log.warn(component, "old parts of snapshots cannot be removed",
                    {{"error", ready.error()}});
  }
  return {};
}

void SnapshotImporter::on(SnapshotReceived&& message, Context& context) noexcept {
  receiver_.set_applied(message.applied);
  const auto* piece = std::get_if<snapshot::Piece>(&message.message);
  if (piece != nullptr && piece->part == snapshot::Part::content) {
    metrics_.received_bytes.add(static_cast<double>(piece->content.size()));
  }
  receiver_.receive(context.now(), message.from, message.message);
  work(context.now());
}

void SnapshotImporter::on(PeerLinkChanged&& message, Context& context) noexcept {
  if (message.up) receiver_.linked(context.now(), message.peer);
  work(context.now());
}

void SnapshotImporter::on(ImporterTick&&, Context& context) noexcept {
  receiver_.tick(context.now());
  work(context.now());
}

void SnapshotImporter::batch_end(Context& context) noexcept {
  schedule(context);
}

void SnapshotImporter::schedule(Context& context) {
  if (checking_ && !check_on_way_) check_on_way_ = context.self().tell(CheckMore{}).has_value();
  Instant at = receiver_.next_deadline();
  if (checking_ && !check_on_way_) at = std::min(at, context.now() + check_again_delay);
  if (at == Instant::never()) return;
  const Duration delay = std::max<Duration>(at - context.now(), std::chrono::milliseconds(1));
  timer_ = context.after(delay, ImporterTick{});
}

void SnapshotImporter::send(std::vector<snapshot::Envelope>& envelopes) {
  for (snapshot::Envelope& each : envelopes) {
    parts_.peers.transfer(
        {each.to.id, wire::cast_snapshot, wire::encode(each.message), Lane::normal});
  }
}

// Does what is to be done, up to what goes on by itself.
void SnapshotImporter::work(Instant now) {
  for (;;) {
    snapshot::ReceiverEffects effects = receiver_.take();
    send(effects.send);
    for (snapshot::ReceiverWork& each : effects.work) work_.push_back(std::move(each));
    ASPEN_ASSERT(work_.size() <= limits::snapshot_window_chunks + 1);
    if (work_.empty() || checking_ || arrived_) return;
    const snapshot::ReceiverWork next = std::move(work_.front());
    work_.pop_front();
    std::visit([this, now](const auto& one) { perform(now, one); }, next);
  }
}

// ---- the steps

void SnapshotImporter::perform(Instant now, const snapshot::OpenPart& work) {
  begun_ = now;
  const Result<void> cleaned = snapshot::remove_other_parts(parts_.files, parts_.root, work.digest);
  part_ = std::make_unique<snapshot::PartDirectory>(parts_.files, parts_.root, work.digest);
  loaded(now, cleaned ? part_->load() : tl::unexpected<Error>(cleaned.error()));
}

void SnapshotImporter::perform(Instant now, const snapshot::KeepManifest& work) {
  ASPEN_ASSERT(part_ != nullptr);
  const Result<void> kept = part_->keep_manifest(work.text);
  loaded(now, kept ? Result<bool>(true) : tl::unexpected<Error>(kept.error()));
}

void SnapshotImporter::loaded(Instant now, const Result<bool>& found) {
  if (!found) {
    parts_.log.warn(component, "a snapshot cannot be received", {{"error", found.error()}});
    metrics_.receive_failures.add(1);
    return receiver_.opened(now, tl::unexpected<Error>(found.error()));
  }
  if (!*found) return receiver_.opened(now, snapshot::PartContent{});
  check(Checking::For::opening);
}

void SnapshotImporter::check(Checking::For purpose) {
  ASPEN_ASSERT(part_ != nullptr);
  ASPEN_ASSERT(!checking_);
  checking_ = Checking{purpose, std::vector<bool>(part_->chunks().size()), 0};
}

void SnapshotImporter::on(CheckMore&&, Context& context) noexcept {
  check_on_way_ = false;
  if (!checking_) return;
  const Result<void> scanned = part_->scan_some(checking_->next, chunks_per_step, checking_->there);
  checking_->next += chunks_per_step;
  const Instant now = context.now();
  if (!scanned) {
    const Checking ended = *std::exchange(checking_, std::nullopt);
    parts_.log.warn(component, "a snapshot cannot be received", {{"error", scanned.error()}});
    metrics_.receive_failures.add(1);
    if (ended.purpose == Checking::For::opening) {
      receiver_.opened(now, tl::unexpected<Error>(scanned.error()));
    } else {
      receiver_.finished(now, scanned);
    }
  } else if (checking_->next >= checking_->there.size()) {
    checked(now);
  }
  work(now);
}

void SnapshotImporter::checked(Instant now) {
  ASPEN_ASSERT(checking_.has_value());
  Checking ended = *std::exchange(checking_, std::nullopt);
  const bool whole = std::ranges::find(ended.there, false) == ended.there.end();
  if (ended.purpose == Checking::For::finishing) {
    const Result<void> done =
        whole ? finish() : fail(Code::corrupt, "a chunk of the snapshot is damaged");
    if (!done) parts_.log.warn(component, "a snapshot is not whole", {{"error", done.error()}});
    return receiver_.finished(now, done);
  }
  std::uint64_t missing_bytes = 0;
  for (std::size_t chunk = 0; chunk < ended.there.size(); ++chunk) {
    if (!ended.there[chunk]) missing_bytes += part_->chunks().at(chunk).size_bytes;
  }
  const std::uint64_t total_bytes = part_->manifest().size_bytes();
  ASPEN_ASSERT(missing_bytes <= total_bytes);
  metrics_.resumed_bytes.add(static_cast<double>(total_bytes - missing_bytes));
  parts_.log.info(component, "a snapshot is received",
                  {{"index", part_->manifest().id.index},
                   {"bytes", total_bytes},
                   {"missing_bytes", missing_bytes}});
  if (missing_bytes > parts_.room_bytes()) {
    parts_.log.warn(component, "there is no room for a snapshot");
    metrics_.receive_failures.add(1);
    return receiver_.opened(now, fail(Code::no_space, "no room for the snapshot"));
  }
  receiver_.opened(
      now, snapshot::PartContent{std::make_shared<const snapshot::Manifest>(part_->manifest()),
                                 std::move(ended.there)});
}

void SnapshotImporter::perform(Instant now, const snapshot::WriteChunk& work) {
  ASPEN_ASSERT(part_ != nullptr);
  const Result<void> written = part_->write(work.number, work.content.view());
  if (!written) {
    parts_.log.warn(component, "a snapshot cannot be received", {{"error", written.error()}});
    metrics_.receive_failures.add(1);
  }
  receiver_.written(now, work.number, written);
}

void SnapshotImporter::perform(Instant, const snapshot::FinishPart&) {
  check(Checking::For::finishing);
}

// A content that is sound and not what the manifest says must not be switched to.
Result<void> SnapshotImporter::finish() {
  ASPEN_ASSERT(part_ != nullptr);
  if (Result<void> sealed = part_->seal(); !sealed) return sealed;
  const auto view = parts_.state.view_checkpoint(part_->path());
  if (!view) return fail(Code::invalid_argument, view.error().what);
  const Result<kv::State> state = kv::read_state(**view);
  if (!state || state->applied != part_->manifest().id) {
    return fail(Code::invalid_argument, "the snapshot is not what its manifest says");
  }
  return {};
}

Result<SnapshotArrived> SnapshotImporter::arrival() const {
  const snapshot::Manifest& manifest = part_->manifest();
  Result<Config> config = decode_config(manifest.config);
  if (!config) return tl::unexpected<Error>(config.error());
  if (manifest.config_id.index > manifest.id.index || manifest.id.term.value == 0) {
    return fail(Code::invalid_argument, "the snapshot's configuration is from behind it");
  }
  return SnapshotArrived{
      parts_.boot, {manifest.id, {manifest.config_id, std::move(*config)}}, part_->path()};
}

void SnapshotImporter::perform(Instant, const snapshot::InstallPart&) {
  Result<SnapshotArrived> arrived = arrival();
  if (!arrived) return receiver_.installed(tl::unexpected<Error>(arrived.error()));
  const Result<void> told = parts_.raft.tell(std::move(*arrived));
  if (!told) return receiver_.installed(told);
  arrived_ = true;
}

void SnapshotImporter::on(ArrivalSettled&& message, Context& context) noexcept {
  if (!arrived_) return;
  ASPEN_ASSERT(part_ != nullptr);
  arrived_ = false;
  const LogId id = part_->manifest().id;
  if (message.result) {
    const Duration took = context.now() - begun_;
    metrics_.installed.add(1);
    metrics_.restore_seconds.observe(std::chrono::duration<double>(took).count());
    parts_.log.info(component, "a snapshot was taken over", {{"index", id.index}});
    // What cannot be removed now is when the next one comes.
    ASPEN_MAYBE(part_->remove());
  } else {
    metrics_.receive_failures.add(1);
    parts_.log.warn(component, "a snapshot was not taken over",
                    {{"index", id.index}, {"error", message.result.error()}});
  }
  receiver_.installed(message.result);
  work(context.now());
}

}  // namespace aspen::replica
