// How many casts per second one node sends to another over loopback TCP, through both NodeServers,
// by payload and by casts per message. Prints a table; fails only if casts get lost.
#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>
#include <thread>

#include "tests/cluster/tcp_cluster.h"

namespace aspen::cluster {
namespace {

using Clock = std::chrono::steady_clock;

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

struct Figures {
  double per_second = 0;
  double cpu_ns = 0;  // of one cast: sender, both nodes, kernel
};

Figures run(TcpNode& from, TcpNode& to, std::size_t payload_bytes, std::size_t batch) {
  const std::uint64_t bytes_of_one = payload_bytes + 30;
  const std::uint64_t total =
      std::min<std::uint64_t>(4'000'000, 2'000'000'000 / bytes_of_one / (batch == 1 ? 8 : 1));
  const std::string text(payload_bytes * batch, 'p');
  to.received = 0;
  // A pause; false, and a failure, when there has been no progress for half a minute.
  auto progress_at = Clock::now();
  std::uint64_t progress = 0;
  const auto pause = [&] {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    if (const std::uint64_t received = to.received; received != progress) {
      progress = received;
      progress_at = Clock::now();
    }
    const bool alive = Clock::now() - progress_at < std::chrono::seconds(30);
    EXPECT_TRUE(alive) << progress << " of " << total << " casts arrived, no more come";
    return alive;
  };
  const auto start = Clock::now();
  const double cpu_start = cpu_seconds();
  std::uint64_t sent = 0;
  while (sent < total) {
    // Stay below the bound of the link's queue.
    const std::uint64_t in_flight = sent - to.received.load(std::memory_order_relaxed);
    if (in_flight * bytes_of_one > limits::link_queue_bytes_max / 2) {
      if (!pause()) return {};
      continue;
    }
    const std::size_t now = std::min<std::size_t>(batch, total - sent);
    if (batch == 1) {
      Cast cast{NodeId(2), {}, the_group, tcp_cast, "", Bytes(text)};
      while (!from.server.tell(std::move(cast))) {
        if (!pause()) return {};
      }
    } else {
      Casts casts;
      casts.list.reserve(now);
      const Bytes block(text);
      for (std::size_t i = 0; i < now; ++i) {
        casts.list.push_back({NodeId(2),
                              {},
                              the_group,
                              tcp_cast,
                              "",
                              block.slice(i * payload_bytes, payload_bytes)});
      }
      while (!from.server.tell(std::move(casts))) {
        if (!pause()) return {};
      }
    }
    sent += now;
  }
  while (to.received < total) {
    if (!pause()) return {};
  }
  EXPECT_EQ(to.received, total);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return {static_cast<double>(total) / seconds,
          (cpu_seconds() - cpu_start) * 1e9 / static_cast<double>(total)};
}

TEST(RemoteCastBench, Throughput) {
  TcpNode one(1);
  TcpNode two(2);
  link_all({&one, &two});
  std::printf("%10s %10s %14s %14s\n", "payload", "batch", "casts/s", "CPU ns/cast");
  for (const std::size_t payload_bytes : {std::size_t{8}, std::size_t{1024}, std::size_t{65'536}}) {
    for (const std::size_t batch : {std::size_t{1}, std::size_t{64}, std::size_t{4096}}) {
      if (payload_bytes * batch > limits::link_queue_bytes_max / 4) continue;
      const Figures figures = run(one, two, payload_bytes, batch);
      std::printf("%10zu %10zu %14.0f %14.1f\n", payload_bytes, batch, figures.per_second,
                  figures.cpu_ns);
      std::fflush(stdout);
    }
  }
}

}  // namespace
}  // namespace aspen::cluster
