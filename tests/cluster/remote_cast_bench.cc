// How many casts per second one node sends to another over loopback TCP, through both NodeServers,
// by payload and by casts per message. Prints a table; fails only if casts get lost.
#include <gtest/gtest.h>

#include <cstdio>
#include <thread>

#include "tests/cluster/tcp_cluster.h"

namespace aspen::cluster {
namespace {

using Clock = std::chrono::steady_clock;

double run(TcpNode& from, TcpNode& to, std::size_t payload_bytes, std::size_t batch) {
  const std::uint64_t bytes_of_one = payload_bytes + 30;
  const std::uint64_t total =
      std::min<std::uint64_t>(4'000'000, 2'000'000'000 / bytes_of_one / (batch == 1 ? 8 : 1));
  const Bytes payload{std::string(payload_bytes, 'p')};
  to.received = 0;
  const auto start = Clock::now();
  std::uint64_t sent = 0;
  while (sent < total) {
    // Stay below the bound of the link's queue.
    const std::uint64_t in_flight = sent - to.received.load(std::memory_order_relaxed);
    if (in_flight * bytes_of_one > limits::link_queue_bytes_max / 2) {
      std::this_thread::yield();
      continue;
    }
    const std::size_t now = std::min<std::size_t>(batch, total - sent);
    if (batch == 1) {
      Cast cast{NodeId(2), {}, the_group, tcp_cast, "", payload};
      while (!from.server.tell(std::move(cast))) std::this_thread::yield();
    } else {
      Casts casts;
      casts.list.assign(now, Cast{NodeId(2), {}, the_group, tcp_cast, "", payload});
      while (!from.server.tell(std::move(casts))) std::this_thread::yield();
    }
    sent += now;
  }
  const auto limit = Clock::now() + std::chrono::seconds(30);
  while (to.received < total && Clock::now() < limit) std::this_thread::yield();
  EXPECT_EQ(to.received, total);
  return static_cast<double>(total) / std::chrono::duration<double>(Clock::now() - start).count();
}

TEST(RemoteCastBench, Throughput) {
  TcpNode one(1);
  TcpNode two(2);
  link_all({&one, &two});
  std::printf("%10s %10s %14s\n", "payload", "batch", "casts/s");
  for (const std::size_t payload_bytes : {std::size_t{8}, std::size_t{1024}, std::size_t{65'536}}) {
    for (const std::size_t batch : {std::size_t{1}, std::size_t{64}, std::size_t{4096}}) {
      if (payload_bytes * batch > limits::link_queue_bytes_max / 4) continue;
      std::printf("%10zu %10zu %14.0f\n", payload_bytes, batch,
                  run(one, two, payload_bytes, batch));
    }
  }
}

}  // namespace
}  // namespace aspen::cluster
