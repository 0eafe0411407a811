// What a replica's actors answer a request that they cannot serve; etcd's texts where it has one.
#pragma once

#include "node/base/error.h"

namespace aspen::replica {

inline constexpr Error error_uninitialised{
    Code::uninitialised, "the node has no cluster yet: run aspenctl cluster init"};
inline constexpr Error error_starting{Code::unavailable,
                                      "etcdserver: the node is starting, its log is being read"};
inline constexpr Error error_overloaded{Code::overloaded, "etcdserver: too many requests"};
inline constexpr Error error_no_space{Code::no_space, "etcdserver: mvcc: database space exceeded"};
// A read, or a write that nobody was told of.
inline constexpr Error error_late{Code::deadline_before_send, "etcdserver: request timed out"};
inline constexpr Error error_no_leader{Code::no_leader, "etcdserver: no leader"};
// A write that may be in a log, or is in all of them.
inline constexpr Error error_unknown{
    Code::timed_out, "etcdserver: request timed out, possibly due to previous leader failure"};
inline constexpr Error error_stopping{Code::shutting_down, "etcdserver: server stopped"};
inline constexpr Error error_drained{Code::shutting_down,
                                     "etcdserver: the node is drained: ask another one"};
inline constexpr Error error_removed{
    Code::shutting_down, "etcdserver: this member was removed from the cluster: ask another one"};
// A control request that was sent to the leader.
inline constexpr Error error_control_unknown{
    Code::timed_out, "the leader did not answer in time: read the state before trying again"};
// A write that may be in a log when the replica ends.
inline constexpr Error error_ended{
    Code::leader_lost, "etcdserver: request timed out, possibly due to connection lost"};

}  // namespace aspen::replica
