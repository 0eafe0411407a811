// Random bits of the kernel. Any thread; no state.
#pragma once

#include "node/port/entropy.h"

namespace aspen::adapter::posix {

class PosixEntropy final : public Entropy {
 public:
  void fill(std::span<std::byte> space) noexcept override;
};

}  // namespace aspen::adapter::posix
