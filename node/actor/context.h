// Context: what an actor may do, handed to every handler and hook. It is valid for that call only,
// on the actor's own thread. Nothing here blocks; effects on other actors are messages.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "node/actor/cell.h"
#include "node/actor/protocol.h"
#include "node/actor/ref.h"
#include "node/actor/registry.h"

namespace aspen::actor {

template <class A>
using ProtocolOf = typename A::ProtocolType;

template <class A, class F>
[[nodiscard]] std::unique_ptr<Blueprint> make_blueprint(ChildOptions options, F factory);
template <class A, class... Args>
[[nodiscard]] std::unique_ptr<Blueprint> make_blueprint_of(ChildOptions options, Args... args);

template <class A>
class Context {
 public:
  explicit Context(Cell& cell) noexcept : cell_(cell) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // The same during one turn.
  [[nodiscard]] Instant now() const noexcept { return cell_.now(); }
  // This actor's own stream of random numbers; it goes on through restarts.
  [[nodiscard]] Prng& prng() const { return cell_.prng(); }
  [[nodiscard]] auto self() const noexcept { return Ref<ProtocolOf<A>>(cell_.address()); }
  [[nodiscard]] Registry& registry() const noexcept;

  // Ends this actor after the current handler: children in reverse order of their start, then
  // post_stop. Further sends are answered not_found.
  void stop() const noexcept { cell_.request_stop(); }
  // True once the supervisor wants this actor to end: a handler that takes long looks now and then
  // and returns. It may miss a stop that was ordered before the actor's start.
  [[nodiscard]] bool stop_wanted() const noexcept { return cell_.stop_wanted(); }
  // Ends this actor after the current handler, as a failure: batch_end is not called, the message
  // in handling is lost, the supervisor decides what follows. The first error counts.
  void fail(Error error) const noexcept { cell_.fail(error); }
  // The same for a reason outside this actor that passes, such as a full disk: the restart waits
  // for its back-off, and does not count towards ChildOptions::restarts_max.
  void interrupt(Error error) const noexcept { cell_.interrupt(error); }

  // Starts a child, made by B(args...) now and at every restart: args are copied, std::ref refers.
  // The ref takes messages at once. If that is not possible this actor fails with overloaded (too
  // many children or actors), already_exists (the name) or invalid_argument (an option out of its
  // limits), and the ref is empty.
  template <class B, class... Args>
  Ref<ProtocolOf<B>> spawn(ChildOptions options, Args... args) const {
    return or_fail<B>(cell_.spawn(make_blueprint_of<B>(std::move(options), std::move(args)...)));
  }
  // The same, made by `factory()`, which gives a std::unique_ptr<B>.
  template <class B, class F>
  Ref<ProtocolOf<B>> spawn_from(ChildOptions options, F factory) const {
    return or_fail<B>(cell_.spawn(make_blueprint<B>(std::move(options), std::move(factory))));
  }
  // The same as spawn_from, with the error for the caller.
  template <class B, class F>
  [[nodiscard]] Result<Ref<ProtocolOf<B>>> try_spawn_from(ChildOptions options, F factory) const {
    const auto address = cell_.spawn(make_blueprint<B>(std::move(options), std::move(factory)));
    if (!address) return tl::unexpected<Error>(address.error());
    return Ref<ProtocolOf<B>>(*address);
  }
  // Stops a child for good, whatever its restart option says. Does nothing if it is none of ours.
  template <class P>
  void stop_child(const Ref<P>& child) const noexcept {
    cell_.stop_child(child.address());
  }

  // Sends a request. `continuation(A& self, Result<Reply>&&, Context<A>&)`, noexcept, runs in this
  // actor as a message of the request's reply_priority, once: with the answer, or timed_out when
  // none has come after `timeout`, whichever is first; the other is dropped and counted. It never
  // runs if this actor ends or restarts before.
  // Possible errors: overloaded (the target's mailbox or this actor's table of open requests is
  // full), not_found, and those of RemoteAsk; the continuation does not run then, and the message
  // is not consumed.
  template <class P, AcceptedBy<P> M, class F>
  Result<void> ask(const Ref<P>& target, M&& message, Duration timeout, F continuation) const;

  // Delivers `message` to this actor after `delay`, or every `period` from now on. Keep the handle:
  // destroying it cancels. It must not outlive the actor. All timers of an instance end with it. If
  // the actor has limits::actor_timers_max already, it fails with overloaded.
  template <class M>
  TimerHandle after(Duration delay, M message) const {
    return arm(delay, Duration::zero(), std::move(message));
  }
  // Precondition: period > 0.
  template <class M>
  TimerHandle every(Duration period, M message) const {
    return arm(period, period, std::move(message));
  }

 private:
  template <class B>
  Ref<ProtocolOf<B>> or_fail(const Result<Address>& address) const noexcept {
    if (address) return Ref<ProtocolOf<B>>(*address);
    cell_.fail(address.error());
    return {};
  }
  template <class M>
  TimerHandle arm(Duration delay, Duration period, M message) const;

  Cell& cell_;
};

// ---- what follows is the runtime's

// A continuation as a pooled node.
template <class A, class T, class F>
struct Continuation : ContinuationHead<T> {
  explicit Continuation(F&& f) noexcept
      : ContinuationHead<T>{{&fail_with}, &run_with}, function(std::move(f)) {}
  F function;

  static void run_with(Cell& cell, Node& node, Result<T>&& result) noexcept {
    Continuation& self = payload<Continuation>(node);
    Context<A> context(cell);
    self.function(*static_cast<A*>(cell.instance()), std::move(result), context);
    std::destroy_at(&self);
  }
  static void fail_with(Cell& cell, Node& node, Error error) noexcept {
    run_with(cell, node, Result<T>(tl::unexpected<Error>(error)));
  }
  static void drop(Node& node, Code) noexcept { std::destroy_at(&payload<Continuation>(node)); }
  static constexpr MessageType type{nullptr, &drop};
};

template <class T>
void Answer<T>::run(Cell& cell, Node& node) noexcept {
  Answer& answer = payload<Answer>(node);
  if (Node* waiting = cell.close_ask({answer.slot, answer.slot_generation})) {
    payload<ContinuationHead<T>>(*waiting).run(cell, *waiting, std::move(answer.result));
    release_node(*waiting);
  } else {
    cell.count_late_answer();
  }
  std::destroy_at(&answer);
}

// A timer's message.
template <class A, class M>
struct Timed {
  TimerId id;
  M message;

  static void run(Cell& cell, Node& node) noexcept {
    Timed& timed = payload<Timed>(node);
    if (cell.timers().deliver(timed.id)) {
      Context<A> context(cell);
      static_cast<A*>(cell.instance())->on(std::move(timed.message), context);
    }
    std::destroy_at(&timed);
  }
  static void drop(Node& node, Code) noexcept { std::destroy_at(&payload<Timed>(node)); }
  static constexpr MessageType type{&run, &drop};
};

template <class A, class M>
class TimedSource final : public TimerSource {
 public:
  TimedSource(std::uint32_t generation, M message)
      : generation_(generation), message_(std::move(message)) {}
  Node& make(TimerId id) noexcept override {
    Node& node = make_node(Timed<A, M>::type, Timed<A, M>{id, message_});
    node.generation = generation_;
    node.order = order_of(priority_of<M>());
    return node;
  }

 private:
  std::uint32_t generation_;
  M message_;
};

template <class A>
template <class M>
TimerHandle Context<A>::arm(Duration delay, Duration period, M message) const {
  static_assert(AcceptedBy<M, ProtocolOf<A>>, "a timer delivers a message of the actor's protocol");
  static_assert(!Request<M>, "nobody would get the answer");
  const Result<TimerId> id = cell_.arm(
      cell_.now() + delay, period,
      std::make_unique<TimedSource<A, M>>(cell_.address().generation, std::move(message)));
  if (id) return TimerHandle(cell_.timers(), *id);
  cell_.fail(id.error());
  return {};
}

template <class A>
template <class P, AcceptedBy<P> M, class F>
Result<void> Context<A>::ask(const Ref<P>& target, M&& message, Duration timeout,
                             F continuation) const {
  using Message = std::remove_cvref_t<M>;
  static_assert(Request<Message>, "only a request has an answer: it names its Reply");
  ASPEN_ASSERT(timeout >= Duration::zero());
  using Reply = typename Message::Reply;
  using Waiting = Continuation<A, Reply, F>;
  Node& waiting = make_node(Waiting::type, Waiting(std::move(continuation)));
  const Result<AskTable::Key> key = cell_.open_ask(waiting, timeout);
  if (!key) {
    drop_node(waiting, Code::overloaded);
    return tl::unexpected<Error>(key.error());
  }
  Responder<Reply> responder(
      {cell_.address(), key->slot, key->generation, order_of(reply_priority_of<Message>())});
  Result<void> sent = target.request(std::forward<M>(message), std::move(responder));
  if (!sent) {
    responder.release();
    Node* const unsent = cell_.close_ask(*key);
    ASPEN_ASSERT(unsent != nullptr);  // nobody could have answered
    drop_node(*unsent, sent.error().code);
  }
  return sent;
}

// A handler of A for M, as the protocol asks for it.
template <class A, class M>
concept Handles = requires(A& self, M&& message, Context<A>& context) {
  { self.on(std::move(message), context) }
  noexcept->std::same_as<void>;
};
template <class A, class M>
concept HandlesRequest = requires(A& self, M&& message, Responder<typename M::Reply>&& responder,
                                  Context<A>& context) {
  { self.on(std::move(message), std::move(responder), context) }
  noexcept->std::same_as<void>;
};

template <class A, class M>
void handle(Cell& cell, Node& node) noexcept {
  A& self = *static_cast<A*>(cell.instance());
  Context<A> context(cell);
  if constexpr (Request<M>) {
    static_assert(HandlesRequest<A, M>,
                  "needed: void on(M&&, Responder<M::Reply>&&, Context<A>&) noexcept");
    Asked<M>& asked = payload<Asked<M>>(node);
    self.on(std::move(asked.message), std::move(asked.responder), context);
    std::destroy_at(&asked);
  } else {
    static_assert(Handles<A, M>, "needed: void on(M&&, Context<A>&) noexcept");
    M& message = payload<M>(node);
    self.on(std::move(message), context);
    std::destroy_at(&message);
  }
}

template <class A, class P>
struct HandlerTable;
template <class A, class... M>
struct HandlerTable<A, Protocol<M...>> {
  static constexpr std::array<ActorClass::Handler, sizeof...(M) + 1> handlers{&handle<A, M>...,
                                                                              nullptr};
};

template <class A>
[[nodiscard]] constexpr std::string_view type_name() noexcept {
  const std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t from = text.find("A = ") + 4;
  return text.substr(from, text.find_first_of(";]", from) - from);
}

template <class A>
[[nodiscard]] constexpr ActorClass make_class() noexcept {
  ActorClass made{};
  made.name = type_name<A>();
  made.handlers = HandlerTable<A, ProtocolOf<A>>::handlers.data();
  made.handler_count = ProtocolOf<A>::size;
  ASPEN_ASSERT(!made.name.empty());
  ASPEN_ASSERT(made.handlers[made.handler_count] == nullptr);  // the table's end
  made.protocol = &protocol_tag<ProtocolOf<A>>;
  if constexpr (requires { &A::pre_start; }) {
    made.pre_start = [](Cell& cell) noexcept -> Result<void> {
      Context<A> context(cell);
      return static_cast<A*>(cell.instance())->pre_start(context);
    };
  }
  if constexpr (requires { &A::post_start; }) {
    made.post_start = [](Cell& cell) noexcept {
      Context<A> context(cell);
      static_cast<A*>(cell.instance())->post_start(context);
    };
  }
  if constexpr (requires { &A::post_stop; }) {
    made.post_stop = [](Cell& cell) noexcept {
      Context<A> context(cell);
      static_cast<A*>(cell.instance())->post_stop(context);
    };
  }
  if constexpr (requires { &A::batch_end; }) {
    made.batch_end = [](Cell& cell) noexcept {
      Context<A> context(cell);
      static_cast<A*>(cell.instance())->batch_end(context);
    };
  }
  if constexpr (requires { &A::child_ended; }) {
    made.child_ended = [](Cell& cell, const ChildEnd& end) noexcept {
      Context<A> context(cell);
      static_cast<A*>(cell.instance())->child_ended(end, context);
    };
  }
  made.destroy = [](void* instance) noexcept {
    std::unique_ptr<A>(static_cast<A*>(instance)).reset();
  };
  return made;
}

template <class A>
inline constexpr ActorClass actor_class = make_class<A>();

template <class A, class F>
class BlueprintFrom final : public Blueprint {
 public:
  BlueprintFrom(ChildOptions child_options, F factory)
      : Blueprint(actor_class<A>, std::move(child_options)), factory_(std::move(factory)) {}
  void* create() override {
    std::unique_ptr<A> made = factory_();
    return made.release();
  }

 private:
  F factory_;
};

template <class A, class F>
std::unique_ptr<Blueprint> make_blueprint(ChildOptions options, F factory) {
  return std::make_unique<BlueprintFrom<A, F>>(std::move(options), std::move(factory));
}

template <class A, class... Args>
std::unique_ptr<Blueprint> make_blueprint_of(ChildOptions options, Args... args) {
  return make_blueprint<A>(std::move(options), [made_of = std::tuple<Args...>(std::move(args)...)] {
    return std::apply([](const Args&... arg) { return std::make_unique<A>(arg...); }, made_of);
  });
}

}  // namespace aspen::actor
