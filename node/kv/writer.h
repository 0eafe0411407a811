// Turns the commands of one batch into operations on the state store. Nothing reaches the store
// before finish(): a failed read leaves it as it was. A command that fails with an error of its own
// changes nothing either, whatever it had written before: Writer takes it back.
//
// Owned by one call of Store::apply().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "node/base/error.h"
#include "node/kv/meta_cache.h"
#include "node/kv/overlay.h"
#include "node/kv/reading.h"
#include "node/kv/request.h"
#include "node/kv/snapshot.h"
#include "node/port/state_store.h"

namespace aspen::kv {

class Writer {
 public:
  // `view` shows the state that `state` describes; `known` is true to it. Both outlive the writer.
  Writer(const StateView& view, const State& state, const MetaCache& known)
      : view_(view), known_(known), state_(state) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Executes a command. Possible errors of the command: those of errors.h. Errors of the store
  // (io_error, corrupt) end the batch: durability_failure(code).
  [[nodiscard]] Result<Response> execute(const Request& request);

  // The command must see the batch's writes as a past revision: it needs a batch of its own.
  [[nodiscard]] bool must_start_a_batch(const Request& request) const;

  [[nodiscard]] State& state() noexcept { return state_; }
  // What the batch takes in memory, with the copies that will be made of it.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return memory_bytes_; }
  [[nodiscard]] std::size_t response_bytes() const noexcept { return response_bytes_; }
  [[nodiscard]] StateBatch& batch() noexcept { return batch_; }

  // What the batch wrote last to each key.
  [[nodiscard]] const Overlay& overlay() const noexcept { return overlay_; }

  // Adds the rows of what is newest now: keys and state. Call it once, last.
  void finish();

 private:
  // The chosen branch of every transaction that is reached, in the order of the operations.
  class Path;
  // What is known of a key before a change of it.
  struct Before {
    bool live = false;
    layout::Meta meta;
  };

  [[nodiscard]] Result<Response> dispatch(const Request& request);
  [[nodiscard]] Result<PutResponse> put_alone(const PutRequest& request);
  [[nodiscard]] Result<PutResponse> put(const PutRequest& request);
  [[nodiscard]] Result<DeleteRangeResponse> delete_range(const DeleteRangeRequest& request);
  [[nodiscard]] Result<CompactResponse> compact(const CompactRequest& request);
  [[nodiscard]] Result<TxnResponse> txn(const TxnRequest& request);

  [[nodiscard]] Result<void> txn_choose(const TxnRequest& request, Path& path) const;
  [[nodiscard]] Result<void> txn_check(const TxnRequest& request, Path& path) const;
  [[nodiscard]] Result<void> txn_check_put(const PutRequest& request) const;
  [[nodiscard]] Result<TxnResponse> txn_execute(const TxnRequest& request, Path& path);
  [[nodiscard]] Result<ResponseOp> txn_execute_one(const RequestOp& operation, Path& path);

  [[nodiscard]] Result<Before> before(std::string_view key) const;
  [[nodiscard]] Result<void> write_version(std::string_view key, const Before& before,
                                           const layout::Meta& meta, std::string_view value);
  [[nodiscard]] Result<void> write_tombstone(std::string_view key, const layout::Meta& meta);
  // If this command has changed the key before, that change's version is not stored any more.
  void mark_superseded(std::string_view key);
  // Adds the change's row; the version's row was added just before. Possible errors: overloaded.
  [[nodiscard]] Result<void> write_change(std::string_view key, const layout::Change& change,
                                          const Pending& pending);

  [[nodiscard]] Reading reading() const noexcept;
  [[nodiscard]] bool changed() const noexcept { return sub_ > 0; }
  // The revision that this command's changes get.
  [[nodiscard]] Revision next_revision() const noexcept { return state_.revision + 1; }
  // The revision as this command sees it: after its own changes so far.
  [[nodiscard]] Revision revision_seen() const noexcept {
    return state_.revision + (changed() ? 1 : 0);
  }

  const StateView& view_;
  const MetaCache& known_;
  State state_;
  Overlay overlay_;
  StateBatch batch_;
  std::uint32_t sub_ = 0;  // changes of the current command
  ByteBudget changes_{0};  // of the current command
  std::size_t charged_text_bytes_ = 0;
  std::size_t memory_bytes_ = 0;
  ByteBudget responses_{0};  // of the current command
  std::size_t response_bytes_ = 0;
};

}  // namespace aspen::kv
