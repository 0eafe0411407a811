// Ref: the address of an actor that speaks protocol P, local or on another node. A small value;
// copy and compare it freely. It stays the same across restarts of the actor. An empty ref, and the
// ref of a stopped actor, answer not_found.
//
// Thread: any. Lifetime: a ref must not be used after its System is gone. Nothing here blocks; a
// send takes one pooled block.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "node/actor/endpoint.h"
#include "node/actor/protocol.h"
#include "node/actor/responder.h"
#include "node/base/error.h"

namespace aspen::actor {

// A request on its way, with whom to answer.
template <class M>
struct Asked {
  M message;
  Responder<typename M::Reply> responder;
};

// How a message of an actor's protocol travels.
template <class M>
struct Travelling {
  static void drop(Node& node, Code code) noexcept {
    if constexpr (Request<M>) {
      payload<Asked<M>>(node).responder.fail(Error{code, "the actor stopped"});
      std::destroy_at(&payload<Asked<M>>(node));
    } else {
      static_cast<void>(code);
      std::destroy_at(&payload<M>(node));
    }
  }
  static constexpr MessageType type{nullptr, &drop};
};

// One message kind of a remote actor. An implementation overrides what it can carry. Any thread.
template <class M>
class RemoteTell {
 public:
  virtual ~RemoteTell() = default;
  // Possible errors: overloaded, unavailable; the message is not consumed then.
  virtual Result<void> send(M&& message) noexcept {
    static_cast<void>(message);
    return aspen::fail(Code::unsupported, "this message does not travel between nodes");
  }
};
template <class M>
class RemoteAsk {
 public:
  virtual ~RemoteAsk() = default;
  // As RemoteTell; on an error neither message nor responder is consumed.
  virtual Result<void> send(M&& message, Responder<typename M::Reply>&& responder) noexcept {
    static_cast<void>(message);
    static_cast<void>(responder);
    return aspen::fail(Code::unsupported, "this request does not travel between nodes");
  }
};
template <class M>
struct RemoteKind {
  using Type = RemoteTell<M>;
};
template <Request M>
struct RemoteKind<M> {
  using Type = RemoteAsk<M>;
};

// An actor on another node, implemented by the cluster layer. It outlives the refs made of it. An
// implementation says `using RemoteActor<P>::send;` and overrides what it can carry.
template <class P>
class RemoteActor;
template <class... M>
class RemoteActor<Protocol<M...>> : public RemoteKind<M>::Type... {
 public:
  using RemoteKind<M>::Type::send...;
};

template <class P>
class Ref {
 public:
  Ref() noexcept = default;
  explicit Ref(RemoteActor<P>& remote) noexcept : target_(&remote) {}
  // The runtime's. Precondition: the actor's protocol is P.
  explicit Ref(const Address& address) noexcept
      : target_(address.endpoint), generation_(address.generation) {}

  // Possible errors: overloaded (the mailbox is full), not_found (the actor has stopped, or the ref
  // is empty), and those of RemoteTell. On an error the message is not consumed.
  template <AcceptedBy<P> M>
  Result<void> tell(M&& message) const noexcept {
    using Message = std::remove_cvref_t<M>;
    static_assert(!Request<Message>, "a request is asked: context.ask() or ask_from_outside()");
    if (generation_ == 0) return tell_remote(std::forward<M>(message));
    return send<Message>([&] { return Message(std::forward<M>(message)); });
  }

  // Sends a request together with the responder that is to answer it: so an actor delegates what it
  // was asked. Possible errors: as tell(); neither is consumed then.
  template <AcceptedBy<P> M, class T>
  Result<void> request(M&& message, Responder<T>&& responder) const noexcept {
    using Message = std::remove_cvref_t<M>;
    static_assert(std::is_same_v<T, typename Message::Reply>, "the answer has another type");
    if (generation_ == 0) {
      if (target_ == nullptr) return empty();
      RemoteActor<P>& remote = *static_cast<RemoteActor<P>*>(target_);
      RemoteAsk<Message>& link = remote;
      if constexpr (std::is_lvalue_reference_v<M>) {
        return link.send(Message(message), std::move(responder));
      } else {
        return link.send(std::move(message), std::move(responder));
      }
    }
    return send<Message>([&] {
      return Asked<Message>{std::forward<M>(message), std::move(responder)};
    });
  }

  // For threads that belong to no actor. `function(Result<Reply>&&)` is called exactly once: on the
  // thread of whoever answers, or from inside this call if the request could not be sent. There is
  // no timeout: a request that may wait carries its deadline.
  template <AcceptedBy<P> M, class F>
  void ask_from_outside(M&& message, F function) const noexcept {
    using Reply = typename std::remove_cvref_t<M>::Reply;
    auto responder = Responder<Reply>::calling(std::move(function));
    const Result<void> sent = request(std::forward<M>(message), std::move(responder));
    if (!sent) responder.fail(sent.error());
  }

  [[nodiscard]] explicit operator bool() const noexcept { return target_ != nullptr; }
  // Meaningful for local actors only; empty for a remote one.
  [[nodiscard]] Address address() const noexcept {
    if (generation_ == 0) return {};
    return {static_cast<Endpoint*>(target_), generation_};
  }
  friend bool operator==(const Ref&, const Ref&) noexcept = default;

 private:
  [[nodiscard]] static Result<void> empty() noexcept {
    return aspen::fail(Code::not_found, "no such actor");
  }

  template <class M>
  Result<void> tell_remote(M&& message) const noexcept {
    using Message = std::remove_cvref_t<M>;
    if (target_ == nullptr) return empty();
    RemoteActor<P>& remote = *static_cast<RemoteActor<P>*>(target_);
    RemoteTell<Message>& link = remote;
    if constexpr (std::is_lvalue_reference_v<M>) {
      return link.send(Message(message));
    } else {
      return link.send(std::move(message));
    }
  }

  // Takes the payload from `make` only after the mailbox has admitted it.
  template <class Message, class Make>
  Result<void> send(const Make& make) const noexcept {
    Endpoint& endpoint = *static_cast<Endpoint*>(target_);
    if (!endpoint.open(generation_)) return empty();
    if (!endpoint.admit()) {
      endpoint.count_refused();
      return aspen::fail(Code::overloaded, "the actor's mailbox is full");
    }
    Node& node = make_node(Travelling<Message>::type, make());
    node.generation = generation_;
    node.index = P::template index_of<Message>();
    node.order = order_of(priority_of<Message>());
    node.counted = 1;
    endpoint.push(node);
    return {};
  }

  void* target_ = nullptr;        // an Endpoint, or a RemoteActor<P> if the generation is 0
  std::uint32_t generation_ = 0;  // of a local actor; never 0
};
static_assert(sizeof(Ref<Protocol<>>) == 16);

}  // namespace aspen::actor
