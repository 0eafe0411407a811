// NodeServer: the actor that owns this node's listener and its links to the other members. It dials
// members, proves and admits links, keeps one per member, watches them, carries casts, and asks
// nodes that are no members yet who they are.
//
// Owner: the assembly spawns it, on the worker whose poller serves the transport; permanent. When
// it restarts, its links are lost, as in a short partition. Messages: node_messages.h. Bounds: one
// link per member (limits::members_max), limits::links_pending_max others that called, limits::
// node_requests_max requests, limits::links_pending_max that it dialled and closes; per link
// frame_reader.h and send_queue.h.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/actor/actor.h"
#include "node/base/limits.h"
#include "node/cluster/link.h"
#include "node/cluster/node_messages.h"
#include "node/cluster/peer_table.h"
#include "node/port/entropy.h"
#include "node/port/log.h"
#include "node/port/telemetry.h"
#include "node/port/transport.h"

namespace aspen::cluster {

struct NodeServerOptions {
  std::string listen_address = ":2380";
  LinkTiming timing;
  BackoffOptions backoff;
  // From the start of a dial, or from an accepted stream, to a link that is ready.
  Duration handshake_timeout = std::chrono::milliseconds(2000);
  // How often deadlines, heartbeats and dials are looked at.
  Duration tick_interval = std::chrono::milliseconds(50);
};

// All outlive the actor.
struct NodeServerDeps {
  Transport& transport;
  const Authenticator& authenticator;
  Entropy& entropy;
  LogSink& log;
  Telemetry& telemetry;
  NodeMemory& memory;
};

class NodeServer final : public actor::Actor<NodeServer, NodeProtocol>,
                         public LinkOwner,
                         public ListenerSink {
 public:
  using Ctx = actor::Context<NodeServer>;

  NodeServer(NodeServerDeps deps, NodeServerOptions options);

  // Possible errors: those of Transport::listen.
  Result<void> pre_start(Ctx& context) noexcept;
  void post_stop(Ctx& context) noexcept;
  void batch_end(Ctx& context) noexcept;

  void on(SetIdentity&& message, Ctx& context) noexcept;
  void on(SetMembers&& message, Ctx& context) noexcept;
  void on(Cast&& cast, Ctx& context) noexcept;
  void on(Casts&& casts, Ctx& context) noexcept;
  void on(SetCastHandler&& message, Ctx& context) noexcept;
  void on(SetAssignHandler&& message, Ctx& context) noexcept;
  void on(Subscribe&& message, Ctx& context) noexcept;
  void on(Probe&& message, actor::Responder<wire::ProbeReply>&& responder, Ctx&) noexcept;
  void on(AssignTo&& message, actor::Responder<wire::AssignReply>&& responder, Ctx&) noexcept;
  void on(GetStatus&& message, actor::Responder<NodeStatus>&& responder, Ctx&) noexcept;
  // The work is done in batch_end(): a message only makes a turn.
  void on(Readable&&, Ctx&) noexcept { readable_told_ = false; }
  void on(Tick&& message, Ctx& context) noexcept;
  void on(AssignAnswered&& message, Ctx& context) noexcept;

  void on_link_ready(Link& link) override;
  void on_frame(Link& link, wire::Frame& frame) override;
  void on_accept(std::unique_ptr<Stream> stream) override;

 private:
  struct Request {
    std::string address;
    Instant deadline;
    bool sent = false;
    std::optional<wire::Assign> assign;  // empty: a probe
    actor::Responder<wire::ProbeReply> probe_responder;
    actor::Responder<wire::AssignReply> assign_responder;
  };
  // A refusal that concerns no member.
  struct Stranger {
    std::string text;
    Instant logged;
  };
  struct PeerMetrics {
    Histogram& round_trip_seconds;
    Counter& sent_failures;
  };
  struct Dial {
    std::string address;
    wire::LinkUse use = wire::LinkUse::member;
    NodeId expected;
  };

  // node_server.cc: life, members, time
  void tell_self();
  void check_links();
  void check_link(Link& link);
  void dial_members();
  void check_requests();
  void emit(NodeEvent event);
  void report(const Refusal& refusal, NodeId member);
  [[nodiscard]] bool note_stranger(const std::string& text);
  void sweep();
  void name_metrics(const Config& members);

  // node_links.cc: streams and links
  [[nodiscard]] Result<LinkNumber> dial(const Dial& dial);
  Link& add_link(std::unique_ptr<Stream> stream, HandshakeSetup setup);
  void serve_accepted();
  void make_room_for_stranger();
  void serve_readable();
  void read_link(Link& link);
  void on_stream_failed(Link& link);
  void flush_links();
  void mark_flush(Link& link);
  void on_greeting(Link& link, wire::Frame& frame);
  void after_handshake(Link& link);
  void on_proven_member(Link& link);
  void on_admitted(Link& link);
  void make_ready(Link& link);
  void on_cast(Link& link, const wire::Frame& frame);
  void on_error_frame(Link& link, const wire::Frame& frame);
  void on_heartbeat(Link& link, const wire::Frame& frame);
  void refuse_frame(Link& link, const char* what);
  [[nodiscard]] bool send_control(Link& link, wire::FrameType type, std::string_view meta);
  void refuse_link(Link& link, const Refusal& why);
  void drop_link(Link& link, const Refusal& why);
  void end_link(Link& link) noexcept;
  void bound_farewells();
  void on_pong(Link& link, const wire::Heartbeat& heartbeat);
  [[nodiscard]] Link* find_link(LinkNumber number) noexcept;

  // node_casts.cc: casts to members and from them
  void on_named_cast(Link& link, const wire::CastHead& head, const wire::Frame& frame);
  void on_bulk(Link& link, const wire::Frame& frame);
  void on_bulk_credit(Link& link, const wire::Frame& frame);
  void send_cast(const Cast& cast);
  [[nodiscard]] Link* route(NodeId to) noexcept;
  void forget_route() noexcept { routed_link_ = nullptr; }
  void refuse_cast(const Cast& cast);
  void count_unsent(NodeId to) noexcept;

  // node_requests.cc: probes and assignments
  void start_request(Request request);
  void request_proven(Link& link);
  void fail_request(LinkNumber link, const Refusal& why);
  void on_request_frame(Link& link, const wire::Frame& frame);
  [[nodiscard]] wire::ProbeReply probe_reply() const;
  void on_probe(Link& link);
  void on_assign(Link& link, const wire::Frame& frame);
  void on_reply(Link& link, const wire::Frame& frame);

  NodeServerDeps deps_;
  NodeServerOptions options_;
  Instant now_;
  Instant last_tick_;
  NodeRef self_;
  const actor::Registry* registry_ = nullptr;  // of this node's actors; set at the start
  actor::TimerHandle tick_;
  std::array<CastHandler, limits::cast_handlers_max> handlers_;
  PeerTable peers_;
  std::map<NodeId, PeerMetrics> metrics_;  // of every member there was; bounded by the memberships
  LinkNumber next_link_ = 1;
  std::map<LinkNumber, std::unique_ptr<Link>> links_;
  std::vector<Link*> to_read_;
  std::vector<Link*> to_flush_;
  std::vector<std::unique_ptr<Stream>> accepted_;
  bool readable_told_ = false;
  bool gone_links_ = false;
  std::map<LinkNumber, Request> requests_;
  std::deque<Stranger> strangers_;
  Instant stranger_minute_;
  std::size_t strangers_logged_ = 0;  // in that minute
  std::uint64_t casts_unhandled_ = 0;
  std::uint64_t casts_undelivered_ = 0;
  std::uint64_t streams_turned_away_ = 0;
  NodeId routed_id_;
  Link* routed_link_ = nullptr;
  std::string head_;                    // of the cast being sent
  std::unique_ptr<Listener> listener_;  // last: closed first
};

}  // namespace aspen::cluster
