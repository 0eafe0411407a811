#include "node/base/error.h"

namespace aspen {

const char* to_string(Code code) noexcept {
  switch (code) {
    case Code::ok:
      return "ok";
    case Code::invalid_argument:
      return "invalid_argument";
    case Code::not_leader:
      return "not_leader";
    case Code::no_leader:
      return "no_leader";
    case Code::overloaded:
      return "overloaded";
    case Code::no_space:
      return "no_space";
    case Code::shutting_down:
      return "shutting_down";
    case Code::unauthenticated:
      return "unauthenticated";
    case Code::wrong_cluster:
      return "wrong_cluster";
    case Code::wrong_incarnation:
      return "wrong_incarnation";
    case Code::uninitialised:
      return "uninitialised";
    case Code::already_initialised:
      return "already_initialised";
    case Code::unavailable:
      return "unavailable";
    case Code::unsupported:
      return "unsupported";
    case Code::overwritten:
      return "overwritten";
    case Code::cancelled:
      return "cancelled";
    case Code::deadline_before_send:
      return "deadline_before_send";
    case Code::timed_out:
      return "timed_out";
    case Code::leader_lost:
      return "leader_lost";
    case Code::connection_lost:
      return "connection_lost";
    case Code::not_found:
      return "not_found";
    case Code::already_exists:
      return "already_exists";
    case Code::failed_precondition:
      return "failed_precondition";
    case Code::compacted:
      return "compacted";
    case Code::future_revision:
      return "future_revision";
    case Code::permission_denied:
      return "permission_denied";
    case Code::io_error:
      return "io_error";
    case Code::corrupt:
      return "corrupt";
  }
  return "invalid_code";
}

}  // namespace aspen
