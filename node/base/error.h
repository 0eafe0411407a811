// Errors are values. A Code is ordered by what the caller may conclude: the request certainly did
// not take effect, its outcome is unknown, or a definite answer about the stored state was given.
// An Error is trivially copyable and owns no memory; `what` is a string literal that says what was
// wrong and, for bad input, what is accepted.
#pragma once

#include <cstdint>
#include <string_view>
#include <tl/expected.hpp>

namespace aspen {

enum class Code : std::uint8_t {
  ok = 0,

  // ---- certainly not applied
  invalid_argument,      // the request itself is wrong; the same request fails again
  not_leader,            // detail: NodeId of the leader, 0 if not known
  no_leader,             // nobody leads; try again
  overloaded,            // a bounded queue or table is full; try again later
  no_space,              // the disk is full; reads and votes go on
  shutting_down,         // the node is stopping
  unauthenticated,       // the peer or caller could not prove who it is
  wrong_cluster,         // a frame or request of another cluster
  wrong_incarnation,     // a known node id with another data directory
  uninitialised,         // the node has no cluster yet
  already_initialised,   // Init on a node that has a cluster
  unavailable,           // a peer could not be reached, nothing was sent
  unsupported,           // a newer format or a feature that is not served
  overwritten,           // was in a log, another entry is committed in its place
  cancelled,             // the caller gave up before the request was accepted
  deadline_before_send,  // the deadline passed before the request was accepted

  // ---- outcome unknown: the request may have been applied or may still be
  timed_out,
  leader_lost,
  connection_lost,

  // ---- definite answers about the stored state
  not_found,
  already_exists,
  failed_precondition,
  compacted,        // the revision asked for is below the compaction floor
  future_revision,  // the revision asked for is above the current one
  permission_denied,

  // ---- durability: the process ends, nothing is retried
  io_error,
  corrupt,
};

struct [[nodiscard]] Error {
  Code code = Code::ok;
  const char* what = "";     // a string literal
  std::uint64_t detail = 0;  // meaning by code: a NodeId, an errno, a revision, an offset

  friend bool operator==(const Error& a, const Error& b) noexcept {
    return a.code == b.code && a.detail == b.detail &&
           std::string_view(a.what) == std::string_view(b.what);
  }
};

// True if the caller may safely try again without the request taking effect twice.
[[nodiscard]] constexpr bool certainly_not_applied(Code code) noexcept {
  return code > Code::ok && code < Code::timed_out;
}
[[nodiscard]] constexpr bool outcome_unknown(Code code) noexcept {
  return code >= Code::timed_out && code <= Code::connection_lost;
}
[[nodiscard]] constexpr bool durability_failure(Code code) noexcept {
  return code >= Code::io_error;
}

// The code's name as it stands in logs and metrics.
[[nodiscard]] const char* to_string(Code code) noexcept;

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(Code code, const char* what,
                                                std::uint64_t detail = 0) noexcept {
  return tl::unexpected<Error>(Error{code, what, detail});
}

}  // namespace aspen
