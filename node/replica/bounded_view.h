// A view of the state that ends a scan early: when a deadline has passed, or somebody wants the
// scanning actor to end. Its iterators then turn invalid, and their status says why.
//
// Owner: the Reader, for one scan. Thread: the scanning one.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "node/port/state_store.h"

namespace aspen::replica {

class BoundedView final : public StateView {
 public:
  // Why the scan has to end, if it has. Asked every limits::scan_steps_per_check steps.
  using Halt = std::function<std::optional<Error>()>;
  BoundedView(std::unique_ptr<StateView> view, Halt halt);

  // Possible errors, here and of the iterators: as StateView, and what `halt` says.
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override;
  [[nodiscard]] Result<std::vector<std::optional<std::string>>> multi_get(
      std::span<const std::string> keys, std::size_t bytes_max) const override;
  [[nodiscard]] std::unique_ptr<StateIterator> iterator(std::string_view lower,
                                                        std::string_view upper) const override;

 private:
  std::unique_ptr<StateView> view_;
  Halt halt_;
};

}  // namespace aspen::replica
