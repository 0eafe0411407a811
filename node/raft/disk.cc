#include "node/raft/disk.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"

namespace aspen::raft {

bool Disk::full() const noexcept {
  return records_.size() >= limits::log_io_in_flight_max;
}

IoId Disk::issue(Index last) {
  ASPEN_ASSERT(last >= written_);
  ASPEN_ASSERT(!full());
  issued_ = next();
  written_ = last;
  records_.push_back({issued_, last});
  return issued_;
}

bool Disk::truncate(Index from) noexcept {
  ASPEN_ASSERT(from.value > 0);
  ASPEN_ASSERT(stable_ <= written_);
  if (from > written_) return false;
  written_ = from - 1;
  if (mutant_active(Mutant::stable_kept_on_truncation)) return true;
  stable_ = std::min(stable_, written_);
  for (std::size_t i = 0; i < records_.size(); ++i) {
    records_[i].last = std::min(records_[i].last, written_);
  }
  return true;
}

void Disk::reset(Index through) noexcept {
  written_ = through;
  stable_ = through;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    records_[i].last = std::min(records_[i].last, through);
  }
  ASPEN_ASSERT(stable_ == written_);
}

void Disk::complete(IoId io) noexcept {
  ASPEN_ASSERT(io <= issued_);
  durable_ = std::max(durable_, io);
  while (!records_.empty() && records_.front().io <= io) {
    stable_ = std::max(stable_, records_.front().last);
    records_.pop_front();
  }
  ASPEN_ASSERT(stable_ <= written_ || mutant_active(Mutant::stable_kept_on_truncation));
}

}  // namespace aspen::raft
