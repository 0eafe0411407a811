// The laws of port/transport, for every implementation: TCP and the simulated network run them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "node/port/transport.h"

namespace aspen {

// Two machines that can reach each other.
class TransportWorld {
 public:
  virtual ~TransportWorld() = default;
  [[nodiscard]] virtual Transport& left() = 0;
  [[nodiscard]] virtual Transport& right() = 0;
  // Where `right` can listen, with port 0.
  [[nodiscard]] virtual std::string right_address() const = 0;
  // An address where nobody listens.
  [[nodiscard]] virtual std::string nobody() const = 0;
  // Serves both until `done`; false if it does not come.
  [[nodiscard]] virtual bool run_until(const std::function<bool()>& done) = 0;
  // Serves both for a little while.
  virtual void run_a_while() = 0;
};

using MakeTransportWorld = std::function<std::unique_ptr<TransportWorld>()>;

class TransportContract : public testing::TestWithParam<MakeTransportWorld> {
 protected:
  struct Sink final : StreamSink {
    int told = 0;
    std::function<void()> then;
    void on_ready() override {
      ++told;
      if (then) then();
    }
  };
  struct Accepting final : ListenerSink {
    std::vector<std::unique_ptr<Stream>> streams;
    void on_accept(std::unique_ptr<Stream> stream) override {
      streams.push_back(std::move(stream));
    }
  };

  void SetUp() override { world = GetParam()(); }

  // A connected pair: what `left` dialled, and what `right` accepted.
  void connect() {
    auto made = world->right().listen(world->right_address(), accepting);
    ASSERT_TRUE(made) << made.error().what;
    listener = std::move(*made);
    auto dialled = world->left().connect(listener->address());
    ASSERT_TRUE(dialled) << dialled.error().what;
    caller = std::move(*dialled);
    caller->set_sink(&caller_sink);
    ASSERT_TRUE(world->run_until([this] { return !accepting.streams.empty(); }));
    world->run_a_while();
    called = std::move(accepting.streams.front());
    accepting.streams.clear();
    called->set_sink(&called_sink);
  }

  // Writes as much of `text` as there is room for, and takes that off.
  static void send(Stream& to, std::string_view& text) {
    while (!text.empty()) {
      const std::size_t first = std::min<std::size_t>(1000, text.size());
      const std::string_view parts[] = {text.substr(0, first), text.substr(first)};
      const auto taken = to.write(parts);
      ASSERT_TRUE(taken) << taken.error().what;
      const bool all = *taken == text.size();
      text.remove_prefix(*taken);
      if (!all) break;
    }
  }

  // Reads until there is no more now; the error if the stream has ended.
  static Error drain(Stream& from, std::string& into, std::size_t step) {
    std::string space(step, '\0');
    for (;;) {
      const auto bytes = from.read(space);
      if (!bytes) return bytes.error();
      into.append(space, 0, *bytes);
      if (*bytes < space.size()) return {};
    }
  }

  std::unique_ptr<TransportWorld> world;
  Accepting accepting;
  std::unique_ptr<Listener> listener;
  Sink caller_sink;
  Sink called_sink;
  std::unique_ptr<Stream> caller;
  std::unique_ptr<Stream> called;
};

TEST_P(TransportContract, CarriesBytesInOrderBothWays) {
  connect();
  std::string long_text;
  for (int i = 0; long_text.size() < 5'000'000; ++i) long_text += std::to_string(i) + ",";
  const std::string back_text(300'000, 'b');
  std::string_view there = long_text;
  std::string_view back = back_text;
  std::string at_called;
  std::string at_caller;
  Error error;
  // The sinks both read and go on writing: whatever is ready may be told in one call.
  called_sink.then = [&] {
    error = drain(*called, at_called, 60'000);
    if (!back.empty()) {
      const std::string_view parts[] = {back};
      const auto taken = called->write(parts);
      if (taken) back.remove_prefix(*taken);
    }
  };
  caller_sink.then = [&] {
    error = drain(*caller, at_caller, 7'000);
    while (!there.empty()) {
      const std::string_view parts[] = {there.substr(0, 100'000)};
      const auto taken = caller->write(parts);
      ASSERT_TRUE(taken);
      there.remove_prefix(*taken);
      if (*taken < parts[0].size()) break;
    }
  };
  caller->set_sink(&caller_sink);
  called->set_sink(&called_sink);
  ASSERT_TRUE(world->run_until([&] {
    return at_called.size() == long_text.size() && at_caller.size() == back_text.size();
  }));
  EXPECT_TRUE(at_called == long_text);
  EXPECT_TRUE(at_caller == back_text);
  EXPECT_EQ(error.code, Code::ok);
}

TEST_P(TransportContract, WritesLessThanOfferedWhenTheOtherSideDoesNotReadAndTellsOfRoom) {
  connect();
  const std::string text(64 * 1024 * 1024, 'x');
  std::string_view rest = text;
  caller_sink.then = [&] { send(*caller, rest); };
  ASSERT_NO_FATAL_FAILURE(send(*caller, rest));
  world->run_a_while();
  ASSERT_LT(rest.size(), text.size());
  ASSERT_GT(rest.size(), 0u);
  std::string received;
  called_sink.then = [&] { static_cast<void>(drain(*called, received, 64 * 1024)); };
  called->set_sink(&called_sink);
  ASSERT_TRUE(world->run_until([&] { return received.size() == text.size(); }));
  EXPECT_TRUE(rest.empty());
}

TEST_P(TransportContract, EndIsSeenAfterTheLastByte) {
  connect();
  const std::string_view parts[] = {"last ", "words"};
  ASSERT_EQ(caller->write(parts).value(), 10u);
  world->run_a_while();
  caller.reset();
  std::string received;
  Error error;
  called_sink.then = [&] { error = drain(*called, received, 64); };
  called->set_sink(&called_sink);
  ASSERT_TRUE(world->run_until([&] { return error.code != Code::ok; }));
  EXPECT_EQ(received, "last words");
  EXPECT_EQ(error.code, Code::connection_lost);
  ASSERT_FALSE(called->read(std::span(received)));
}

TEST_P(TransportContract, NobodyListeningShowsAfterTheFirstTelling) {
  auto dialled = world->left().connect(world->nobody());
  ASSERT_TRUE(dialled);
  (*dialled)->set_sink(&caller_sink);
  Error error;
  char space[8];
  ASSERT_TRUE(world->run_until([&] {
    if (caller_sink.told == 0) return false;
    const auto bytes = (*dialled)->read(space);
    if (!bytes) error = bytes.error();
    return !bytes;
  }));
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_NE(error.detail, 0u);
  const std::string_view parts[] = {"x"};
  EXPECT_EQ((*dialled)->write(parts).error().code, Code::unavailable);
}

TEST_P(TransportContract, NothingIsTakenBeforeItIsConnected) {
  auto dialled = world->left().connect(world->nobody());
  ASSERT_TRUE(dialled);
  char space[8];
  const std::string_view parts[] = {"x"};
  EXPECT_EQ((*dialled)->read(space).value(), 0u);
  EXPECT_EQ((*dialled)->write(parts).value(), 0u);
}

TEST_P(TransportContract, SinkIsNeverCalledFromInsideACall) {
  connect();
  caller_sink.told = called_sink.told = 0;
  const std::string_view parts[] = {"x"};
  ASSERT_EQ(caller->write(parts).value(), 1u);
  char space[8];
  static_cast<void>(called->read(space));
  called->set_sink(&called_sink);
  caller.reset();
  EXPECT_EQ(caller_sink.told, 0);
  EXPECT_EQ(called_sink.told, 0);
}

TEST_P(TransportContract, NewSinkIsToldOfWhatTheOldOneLeft) {
  connect();
  const std::string_view parts[] = {"left over"};
  ASSERT_EQ(caller->write(parts).value(), 9u);
  ASSERT_TRUE(world->run_until([&] { return called_sink.told > 0; }));
  world->run_a_while();
  Sink next;
  std::string received;
  next.then = [&] { static_cast<void>(drain(*called, received, 64)); };
  called->set_sink(&next);
  EXPECT_TRUE(world->run_until([&] { return received == "left over"; }));
}

TEST_P(TransportContract, ClosedStreamTellsNobody) {
  connect();
  world->run_a_while();
  caller_sink.told = 0;
  const std::string_view parts[] = {"x"};
  ASSERT_EQ(called->write(parts).value(), 1u);
  caller.reset();
  called.reset();
  world->run_a_while();
  EXPECT_EQ(caller_sink.told, 0);
}

TEST_P(TransportContract, StreamMayBeClosedFromItsOwnSink) {
  connect();
  called_sink.then = [&] { called.reset(); };
  const std::string_view parts[] = {"x"};
  ASSERT_EQ(caller->write(parts).value(), 1u);
  ASSERT_TRUE(world->run_until([&] { return called == nullptr; }));
  Error error;
  std::string received;
  EXPECT_TRUE(world->run_until([&] {
    error = drain(*caller, received, 64);
    return error.code != Code::ok;
  }));
}

TEST_P(TransportContract, ManyCallersAreAllAccepted) {
  auto made = world->right().listen(world->right_address(), accepting);
  ASSERT_TRUE(made);
  std::vector<std::unique_ptr<Stream>> callers;
  for (int i = 0; i < 50; ++i) {
    auto dialled = world->left().connect((*made)->address());
    ASSERT_TRUE(dialled);
    callers.push_back(std::move(*dialled));
  }
  EXPECT_TRUE(world->run_until([&] { return accepting.streams.size() == callers.size(); }));
  accepting.streams.clear();
}

TEST_P(TransportContract, PortInUseIsUnavailableAndIsFreeAgainAfterwards) {
  auto first = world->right().listen(world->right_address(), accepting);
  ASSERT_TRUE(first);
  const std::string address = (*first)->address();
  EXPECT_NE(address, world->right_address());
  const auto second = world->right().listen(address, accepting);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_NE(std::string_view(second.error().what).find("in use"), std::string_view::npos);
  first->reset();
  EXPECT_TRUE(world->right().listen(address, accepting));
}

TEST_P(TransportContract, AcceptedStreamsOutliveTheirListener) {
  connect();
  listener.reset();
  std::string received;
  called_sink.then = [&] { static_cast<void>(drain(*called, received, 64)); };
  called->set_sink(&called_sink);
  const std::string_view parts[] = {"still here"};
  ASSERT_EQ(caller->write(parts).value(), 10u);
  EXPECT_TRUE(world->run_until([&] { return received == "still here"; }));
}

TEST_P(TransportContract, MalformedAddressIsRefused) {
  for (const char* address : {"", "host", "nocolon"}) {
    EXPECT_EQ(world->left().connect(address).error().code, Code::invalid_argument);
    EXPECT_EQ(world->right().listen(address, accepting).error().code, Code::invalid_argument);
  }
}

}  // namespace aspen
