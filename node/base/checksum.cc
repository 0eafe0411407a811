#include "node/base/checksum.h"

#define XXH_STATIC_LINKING_ONLY  // shows the size of the state
#include <xxhash.h>

#include <memory>

namespace aspen {

std::uint64_t checksum64(const void* bytes, std::size_t size_bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes, size_bytes, seed);
}

namespace {

static_assert(sizeof(XXH3_state_t) == sizeof(Checksum64));
static_assert(alignof(XXH3_state_t) == alignof(Checksum64));

}  // namespace

Checksum64::Checksum64(std::uint64_t seed) noexcept {
  auto* state = std::construct_at(reinterpret_cast<XXH3_state_t*>(state_.data()));
  XXH3_64bits_reset_withSeed(state, seed);
}

void Checksum64::update(std::string_view part) noexcept {
  XXH3_64bits_update(reinterpret_cast<XXH3_state_t*>(state_.data()), part.data(), part.size());
}

std::uint64_t Checksum64::value() const noexcept {
  return XXH3_64bits_digest(reinterpret_cast<const XXH3_state_t*>(state_.data()));
}

}  // namespace aspen
