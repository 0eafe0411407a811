// Both ends of a transfer with files, over a network that loses, repeats and delays, in virtual
// time. What a node does with its effects is as its driver will do it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "node/base/prng.h"
#include "node/snapshot/part_directory.h"
#include "node/snapshot/receiver.h"
#include "node/snapshot/sender.h"
#include "tests/contract/sim_file_system.h"

namespace aspen::snapshot {

using contract::SimFileSystem;

inline constexpr PeerId leader{NodeId(1), {1, 1}};
inline constexpr PeerId other_leader{NodeId(2), {2, 2}};
inline constexpr PeerId follower{NodeId(3), {3, 3}};

struct Weather {
  std::uint64_t lost_percent = 0;
  std::uint64_t repeated_percent = 0;
  Duration delay_max = std::chrono::milliseconds(1);
};

class Transfers {
 public:
  explicit Transfers(std::uint64_t seed) : prng_(seed) {}

  struct SendingNode {
    std::string directory;  // of the snapshot, in `there`
    Manifest manifest;
    std::unique_ptr<ChunkMap> chunks;
    std::unique_ptr<SnapshotSender> sender;
    std::vector<SendEnded> ended;
  };

  void add_sender(const PeerId& id, std::string directory, Manifest manifest,
                  SenderOptions options = {}) {
    SendingNode node;
    node.directory = std::move(directory);
    node.manifest = std::move(manifest);
    const TransferId first(id.id.value * 1'000'000);
    node.sender = std::make_unique<SnapshotSender>(options, first);
    senders[id] = std::move(node);
    senders[id].chunks = std::make_unique<ChunkMap>(senders[id].manifest);
  }
  Result<void> offer(const PeerId& from, Term term, const PeerId& to = follower) {
    SendingNode& node = senders.at(from);
    const std::string text = encode(node.manifest);
    auto started = node.sender->start(now, to, 5,
                                      {term, node.manifest.id, sha256(text), Bytes(text),
                                       static_cast<std::uint32_t>(node.chunks->size())});
    carry_out(from);
    return started;
  }

  // The receiving process (again): what it knew is gone, its files are not.
  void start_receiver(ReceiverOptions options = {}) {
    options.cluster = ClusterId(0xc1);
    part.reset();
    receiver = std::make_unique<SnapshotReceiver>(options);
  }

  // Until nothing is left to do, the receiver's disk is dead, or `limit` has passed.
  void run(Duration limit = std::chrono::hours(1)) {
    const Instant end = now + limit;
    while (now < end && !here.crashed()) {
      const Instant next = std::min(next_event(), end);
      if (next >= end) break;
      now = std::max(now, next);
      step();
    }
  }
  // A message from anybody, at once.
  void inject(const PeerId& from, const PeerId& to, Message message) {
    deliver({from, to, std::move(message)});
  }
  [[nodiscard]] bool installed() const { return !installed_path.empty(); }

  SimFileSystem there;  // of all senders
  SimFileSystem here;
  std::map<PeerId, SendingNode> senders;
  std::unique_ptr<SnapshotReceiver> receiver;
  std::unique_ptr<PartDirectory> part;
  Weather weather;
  Instant now;
  std::string installed_path;
  std::vector<std::uint32_t> chunks_sent;  // as the network saw them
  std::size_t pieces_in_memory_max = 0;
  std::optional<Error> work_error;  // the receiver's driver must end the process

 private:
  struct Letter {
    PeerId from;
    PeerId to;
    Message message;
  };

  [[nodiscard]] Instant next_event() const {
    Instant at = receiver ? receiver->next_deadline() : Instant::never();
    for (const auto& [id, node] : senders) at = std::min(at, node.sender->next_deadline());
    if (!mail_.empty()) at = std::min(at, mail_.begin()->first);
    return at;
  }
  void step() {
    while (!mail_.empty() && mail_.begin()->first <= now) {
      const Letter letter = std::move(mail_.begin()->second);
      mail_.erase(mail_.begin());
      deliver(letter);
    }
    for (auto& [id, node] : senders) {
      node.sender->tick(now);
      carry_out(id);
    }
    if (!receiver) return;
    receiver->tick(now);
    carry_out_receiver();
  }
  void deliver(const Letter& letter) {
    if (letter.to == follower) {
      if (!receiver) return;
      receiver->receive(now, letter.from, letter.message);
      carry_out_receiver();
    } else if (senders.contains(letter.to)) {
      senders.at(letter.to).sender->receive(now, letter.from, letter.message);
      carry_out(letter.to);
    }
  }
  void post(const PeerId& from, const Envelope& envelope) {
    if (const auto* piece = std::get_if<Piece>(&envelope.message)) {
      if (piece->part == Part::content) chunks_sent.push_back(piece->number);
    }
    if (prng_.below(100) < weather.lost_percent) return;
    const std::uint64_t copies = prng_.below(100) < weather.repeated_percent ? 2 : 1;
    for (std::uint64_t i = 0; i < copies; ++i) {
      const auto delay = static_cast<std::uint64_t>(weather.delay_max.count());
      const Duration after(static_cast<std::int64_t>(1 + prng_.below(delay)));
      mail_.emplace(now + after, Letter{from, envelope.to, envelope.message});
    }
  }

  void carry_out(const PeerId& id) {
    SendingNode& node = senders.at(id);
    for (SenderEffects effects = node.sender->take();
         !effects.send.empty() || !effects.reads.empty() || !effects.ended.empty();
         effects = node.sender->take()) {
      for (const Envelope& envelope : effects.send) post(id, envelope);
      for (const SendEnded& ended : effects.ended) node.ended.push_back(ended);
      pieces_in_memory_max = std::max(pieces_in_memory_max, effects.reads.size());
      for (const ReadChunk& read : effects.reads) {
        node.sender->chunk_read(now, read, read_chunk(node, read.number));
      }
    }
  }
  Result<Bytes> read_chunk(const SendingNode& node, std::uint32_t number) {
    const ChunkPlace place = node.chunks->at(number);
    auto file =
        there.open(node.directory + "/" + node.manifest.files[place.file].name, OpenMode::existing);
    if (!file) return tl::unexpected(file.error());
    std::string text(place.size_bytes, '\0');
    auto got = (*file)->read(place.offset, text);
    if (!got) return tl::unexpected(got.error());
    return Bytes(text);
  }

  void carry_out_receiver() {
    for (ReceiverEffects effects = receiver->take(); !effects.send.empty() || !effects.work.empty();
         effects = receiver->take()) {
      for (const Envelope& envelope : effects.send) post(follower, envelope);
      for (ReceiverWork& work : effects.work) {
        std::visit([this](auto& one) { perform(one); }, work);
        if (here.crashed()) return;
      }
    }
  }
  Result<PartContent> content_of(Result<bool> loaded) {
    if (!loaded) return tl::unexpected(loaded.error());
    if (!*loaded) return PartContent{};
    auto found = part->scan();
    if (!found) return tl::unexpected(found.error());
    return PartContent{std::make_shared<const Manifest>(part->manifest()), std::move(*found)};
  }
  void perform(const OpenPart& work) {
    auto cleaned = remove_other_parts(here, "snapshots", work.digest);
    part = std::make_unique<PartDirectory>(here, "snapshots", work.digest);
    auto loaded = cleaned ? part->load() : tl::unexpected(cleaned.error());
    receiver->opened(now, content_of(std::move(loaded)));
  }
  void perform(const KeepManifest& work) {
    auto kept = part->keep_manifest(work.text);
    receiver->opened(now, content_of(kept ? Result<bool>(true) : tl::unexpected(kept.error())));
  }
  void perform(const WriteChunk& work) {
    receiver->written(now, work.number, part->write(work.number, work.content.view()));
  }
  void perform(const FinishPart&) { receiver->finished(now, part->finish()); }
  void perform(const InstallPart&) {
    Result<void> moved = here.rename(part->path(), "installed");
    if (moved) moved = here.sync_directory(".");
    if (moved) installed_path = "installed";
    receiver->installed(moved);
  }

  Prng prng_;
  std::multimap<Instant, Letter> mail_;
};

}  // namespace aspen::snapshot
