#include "node/replica/bounded_view.h"

#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::replica {

namespace {

class BoundedIterator final : public StateIterator {
 public:
  BoundedIterator(std::unique_ptr<StateIterator> rows, const BoundedView::Halt& halt)
      : rows_(std::move(rows)), halt_(halt), halted_(halt_()) {
    ASPEN_ASSERT(rows_ != nullptr);
  }

  void seek(std::string_view key) override {
    step();
    rows_->seek(key);
  }
  void seek_for_prev(std::string_view key) override {
    step();
    rows_->seek_for_prev(key);
  }
  void next() override {
    ASPEN_ASSERT(valid());
    step();
    rows_->next();
  }
  void prev() override {
    ASPEN_ASSERT(valid());
    step();
    rows_->prev();
  }
  [[nodiscard]] bool valid() const override { return !halted_ && rows_->valid(); }
  [[nodiscard]] std::string_view key() const override { return rows_->key(); }
  [[nodiscard]] std::string_view value() const override { return rows_->value(); }
  [[nodiscard]] Result<void> status() const override {
    if (halted_) return tl::unexpected<Error>(*halted_);
    return rows_->status();
  }

 private:
  void step() {
    if (halted_ || ++steps_ % limits::scan_steps_per_check != 0) return;
    halted_ = halt_();
  }

  std::unique_ptr<StateIterator> rows_;
  const BoundedView::Halt& halt_;
  std::optional<Error> halted_;
  std::size_t steps_ = 0;
};

}  // namespace

BoundedView::BoundedView(std::unique_ptr<StateView> view, Halt halt)
    : view_(std::move(view)), halt_(std::move(halt)) {
  ASPEN_ASSERT(view_ != nullptr);
  ASPEN_ASSERT(halt_ != nullptr);
}

Result<std::optional<std::string>> BoundedView::get(std::string_view key) const {
  return view_->get(key);
}

Result<std::vector<std::optional<std::string>>> BoundedView::multi_get(
    std::span<const std::string> keys, std::size_t bytes_max) const {
  if (const std::optional<Error> halted = halt_()) return tl::unexpected<Error>(*halted);
  return view_->multi_get(keys, bytes_max);
}

std::unique_ptr<StateIterator> BoundedView::iterator(std::string_view lower,
                                                     std::string_view upper) const {
  return std::make_unique<BoundedIterator>(view_->iterator(lower, upper), halt_);
}

}  // namespace aspen::replica
