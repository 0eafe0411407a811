// A reader of the key-value state as of one applied entry: immutable, so it needs no lock and may
// be used on another thread than the store's, by one thread at a time. It keeps old data alive in
// the state store: drop it soon.
#pragma once

#include <memory>

#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/kv/request.h"
#include "node/port/state_store.h"

namespace aspen::kv {

// What the store says of itself in the same batch as the data.
struct State {
  LogId applied;  // the last entry whose effect is in the state
  Revision revision = revision_initial;
  Revision compact_revision = compact_revision_initial;
  // Every version that a compaction up to here removes is physically gone.
  Revision cleaned_revision = compact_revision_initial;
  // Where physical deletion goes on: a row of the revision table.
  Revision clean_next_revision = 0;
  std::uint32_t clean_next_sub = 0;
  friend bool operator==(const State&, const State&) noexcept = default;
};

class Snapshot {
 public:
  // Possible errors: io_error, corrupt, unsupported (a newer format).
  [[nodiscard]] static Result<Snapshot> open(std::unique_ptr<StateView> view);

  [[nodiscard]] const State& state() const noexcept { return state_; }
  [[nodiscard]] LogId applied() const noexcept { return state_.applied; }
  [[nodiscard]] Revision revision() const noexcept { return state_.revision; }
  [[nodiscard]] Revision compact_revision() const noexcept { return state_.compact_revision; }

  // Possible errors: compacted, future_revision, overloaded (the response is larger than
  // limits::response_bytes_max), io_error, corrupt. Precondition: validate(request) succeeded.
  [[nodiscard]] Result<RangeResponse> range(const RangeRequest& request) const;
  // Precondition: is_read_only(request), validate(request) succeeded. Possible errors: as range().
  [[nodiscard]] Result<TxnResponse> txn(const TxnRequest& request) const;

  // A checksum of every version up to `revision` (<= 0: the newest) that a compaction at the floor
  // keeps. Equal between members at equal revision and floor, however far their physical deletion
  // is. Walks the whole store. Possible errors: compacted, future_revision, io_error, corrupt.
  [[nodiscard]] Result<HashKvResponse> hash_kv(Revision revision) const;
  // A checksum of the whole state: hash_kv() of the newest revision, revision and floor. Equal
  // between members at equal applied index. Possible errors: io_error, corrupt.
  [[nodiscard]] Result<HashResponse> hash() const;

 private:
  Snapshot(std::unique_ptr<StateView> view, const State& state)
      : view_(std::move(view)), state_(state) {}

  std::unique_ptr<StateView> view_;
  State state_;
};

}  // namespace aspen::kv
