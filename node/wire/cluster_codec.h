// The meta and payload of every frame that the cluster layer itself reads: the handshake, errors,
// heartbeats, casts between actors, and what a node without a cluster answers. Pure; all decoders
// check every limit. Possible errors of a decoder: invalid_argument (malformed or out of limits).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/membership.h"

namespace aspen::wire {

using Nonce = std::array<std::uint8_t, 32>;

enum class LinkUse : std::uint8_t {
  member = 0,   // the one link of a pair of nodes
  request = 1,  // a probe or an assignment, then it is closed
};

// What a node says of itself, first in both directions.
struct Hello {
  std::uint8_t format_min = 1;
  std::uint8_t format_max = 1;
  LinkUse use = LinkUse::member;
  ClusterId cluster;  // 0 before Init
  PeerId self;        // the node id is 0 before Init, the incarnation never is empty
  Nonce nonce{};
  std::string name;
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Proof {
  std::array<std::uint8_t, 32> digest{};
};

// Why a link ends, as the other side is told. The numbers are a fact of the wire.
enum class LinkError : std::uint8_t {
  none = 0,
  malformed = 1,
  newer_format = 2,
  unauthenticated = 3,
  wrong_cluster = 4,
  wrong_incarnation = 5,
  wrong_member = 6,  // another member than the one expected at this address
  uninitialised = 7,
  self = 8,  // the node dialled itself
  duplicate = 9,
  timed_out = 10,
  overloaded = 11,
  shutting_down = 12,
  unknown_member = 13,     // the membership known here does not hold the sender
  wrong_certificate = 14,  // it does not name the member that it is shown for
};
inline constexpr std::uint8_t link_error_max = 14;

// As an Error, with a text for people.
[[nodiscard]] Error to_error(LinkError error, std::uint64_t detail = 0) noexcept;

struct ErrorFrame {
  LinkError error = LinkError::none;
  std::uint64_t detail = 0;
  Incarnation incarnation;  // the sender's
};

// The receiver echoes the time, which only the sender understands.
struct Heartbeat {
  std::uint64_t time_us = 0;
};

// Names the purpose of a cast; numbers below 16 belong to the node itself.
using CastType = std::uint16_t;
inline constexpr CastType cast_raft = 1;           // a Raft message between two replicas
inline constexpr CastType cast_forward = 2;        // a client's request, sent on to the leader
inline constexpr CastType cast_forward_reply = 3;  // its answer
inline constexpr CastType cast_state = 4;          // asks another node how it is
inline constexpr CastType cast_state_reply = 5;
inline constexpr CastType cast_control = 6;        // a change of the membership or of the leader
inline constexpr CastType cast_control_reply = 7;  // its result, or why not
inline constexpr CastType cast_snapshot = 8;       // between the ends of a snapshot's transfer

struct CastHead {
  CastType type = 0;
  std::string_view target;  // registered name of an actor; empty: whoever handles the type
};

// What a part of a bulk message is: parts of one message come in order, whole messages in turn.
struct BulkHead {
  CastType type = 0;
  std::uint32_t total_bytes = 0;  // of the message; at most limits::frame_payload_bytes_max
  std::uint32_t offset = 0;       // of the part in it
};
struct BulkCredit {
  std::uint32_t bytes = 0;
};

struct Probe {};
struct ProbeReply {
  ClusterId cluster;  // 0: the node is empty
  PeerId self;
  std::string name;
  std::string client_address;  // where clients reach it, if it was told so
  friend bool operator==(const ProbeReply&, const ProbeReply&) = default;
};

// Gives a node without a cluster its place in one. Binding twice to the same place succeeds.
struct Assign {
  ClusterId cluster;
  PeerId self;    // the node id given, and the incarnation it is given to
  Config config;  // whom to expect; the log has the last word
  // Added to a cluster that exists: its log begins empty. Otherwise `config` is its first entry.
  bool joining = false;
  friend bool operator==(const Assign&, const Assign&) = default;
};
struct AssignReply {
  LinkError error = LinkError::none;
  PeerId self;
};

[[nodiscard]] std::string encode(const Hello& hello);
[[nodiscard]] std::string encode(const Proof& proof);
[[nodiscard]] std::string encode(const ErrorFrame& error);
[[nodiscard]] std::string encode(const Heartbeat& heartbeat);
[[nodiscard]] std::string encode(const BulkHead& head);
[[nodiscard]] std::string encode(const BulkCredit& credit);
[[nodiscard]] std::string encode(const ProbeReply& reply);
[[nodiscard]] std::string encode(const Assign& assign);  // a payload, no meta
[[nodiscard]] std::string encode(const AssignReply& reply);
// Precondition: the target is within limits. Writes into `out`, which is cleared first.
void encode_cast_head(const CastHead& head, std::string& out);

// The fields after the format range may differ in a newer format: they are read only if format_min
// is one that this node knows, and are empty otherwise.
[[nodiscard]] Result<Hello> decode_hello(std::string_view meta);
[[nodiscard]] Result<Proof> decode_proof(std::string_view meta);
[[nodiscard]] Result<ErrorFrame> decode_error(std::string_view meta);
[[nodiscard]] Result<Heartbeat> decode_heartbeat(std::string_view meta);
[[nodiscard]] Result<BulkHead> decode_bulk_head(std::string_view meta);
[[nodiscard]] Result<BulkCredit> decode_bulk_credit(std::string_view meta);
[[nodiscard]] Result<ProbeReply> decode_probe_reply(std::string_view meta);
[[nodiscard]] Result<Assign> decode_assign(std::string_view payload);
[[nodiscard]] Result<AssignReply> decode_assign_reply(std::string_view meta);
// The target is a view into `meta`.
[[nodiscard]] Result<CastHead> decode_cast_head(std::string_view meta);

}  // namespace aspen::wire
