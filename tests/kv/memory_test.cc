// Goal: whatever a client asks for, one command takes no more memory than the limits promise, or a
// member that is small enough dies of it, and again at each replay. Method: count what is allocated
// while a command is applied. A program of its own, as it replaces the allocator.
#include <gtest/gtest.h>

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <new>

#include "node/base/limits.h"
#include "node/kv/errors.h"
#include "tests/contract/memory_state_store.h"
#include "tests/kv/machine.h"

namespace {

std::atomic<std::size_t> live_bytes = 0;
std::atomic<std::size_t> peak_bytes = 0;

void* counted(std::size_t size_bytes) {
  void* block = std::malloc(size_bytes);
  if (block == nullptr) std::abort();
  live_bytes += malloc_usable_size(block);
  peak_bytes = std::max(peak_bytes.load(), live_bytes.load());
  return block;
}

void give_back(void* block) noexcept {
  if (block != nullptr) live_bytes -= malloc_usable_size(block);
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size_bytes) {
  return counted(size_bytes);
}
void operator delete(void* block) noexcept {
  give_back(block);
}
void operator delete(void* block, std::size_t /*size_bytes*/) noexcept {
  give_back(block);
}

namespace aspen::kv {
namespace {

constexpr std::size_t mib = 1024 * 1024;

class MemoryTest : public testing::Test {
 protected:
  // Values of `size_bytes` that descend, under keys that ascend.
  void fill(std::size_t count, std::size_t key_bytes, std::size_t value_bytes) {
    for (std::size_t i = 0; i < count; ++i) {
      std::string key = "k" + std::to_string(1'000'000 + i);
      key.resize(std::max(key.size(), key_bytes), '.');
      std::string value = std::to_string(2'000'000 - i);
      value.resize(value_bytes, '.');
      machine.append(Request(put(std::move(key), std::move(value))));
      if (i % 1'000 == 999) settle();
    }
    settle();
  }
  void settle() {
    machine.apply_all();
    ASSERT_TRUE(state.flush().has_value());
  }
  // What was allocated at most while it was applied.
  std::size_t peak_of(const Request& request, Result<Response>& answer) {
    machine.append(request);
    const std::size_t before = live_bytes;
    peak_bytes = before;
    auto results = machine.apply_all();
    const std::size_t peak = peak_bytes - before;
    answer = std::move(results.back().response);
    return peak;
  }

  contract::MemoryStateStore state;
  Machine machine{state};
  Result<Response> response;
};

TEST_F(MemoryTest, ADeleteIsRefusedBeforeItTakesMoreThanItsShare) {
  fill(160'000, 0, 8);
  const HashKvResponse before = machine.hash();
  const std::size_t peak = peak_of(del("k", "l"), response);
  EXPECT_EQ(response.error(), errors::change_too_large);
  EXPECT_LE(peak, limits::change_bytes_max) << peak / mib << " MiB";
  EXPECT_EQ(machine.hash(), before);
  std::cout << "refused at " << peak / mib << " MiB\n";
}

// What is charged must cover what is used, of an accepted delete too.
TEST_F(MemoryTest, AnAcceptedDeleteStaysWithinItsShare) {
  fill(60'000, 0, 8);
  // Without what the simulated state store keeps: a copy of the batch.
  const std::size_t peak = peak_of(del("k", "l"), response);
  ASSERT_TRUE(response.has_value()) << response.error().what;
  EXPECT_EQ(std::get<DeleteRangeResponse>(*response).deleted, 60'000);
  EXPECT_LE(peak, limits::change_bytes_max) << peak / mib << " MiB";
  std::cout << "60,000 deleted keys: " << peak / mib << " MiB\n";
}

TEST_F(MemoryTest, ATransactionOfLargeCopiesIsRefused) {
  fill(1, 0, 1'200'000);
  TxnRequest txn;
  PutRequest again = put("k1000000", "");
  again.ignore_value = true;
  for (int i = 0; i < 100; ++i) txn.success.push_back({again});
  const std::size_t peak = peak_of(txn, response);
  EXPECT_EQ(response.error(), errors::change_too_large);
  EXPECT_LE(peak, limits::change_bytes_max) << peak / mib << " MiB";
}

TEST_F(MemoryTest, ALimitBoundsTheCandidatesOfASortedRange) {
  fill(40, 1'200'000, 8);
  for (const SortTarget target : {SortTarget::key, SortTarget::mod, SortTarget::value}) {
    RangeRequest request = get("k", "l");
    request.sort_order = SortOrder::descend;
    request.sort_target = target;
    request.limit = 1;
    const std::size_t peak = peak_of(request, response);
    ASSERT_TRUE(response.has_value()) << response.error().what;
    EXPECT_LE(peak, 12 * mib) << static_cast<int>(target) << ": " << peak / mib << " MiB";
  }
}

TEST_F(MemoryTest, ValuesAreReadInStepsOfBoundedSize) {
  fill(20, 0, 1'200'000);
  const std::size_t peak = peak_of(get("k", "l"), response);
  ASSERT_TRUE(response.has_value()) << response.error().what;
  EXPECT_EQ(std::get<RangeResponse>(*response).kvs.size(), 20u);
  EXPECT_LE(peak, 20 * 1'200'000 + 2 * limits::read_batch_bytes_max) << peak / mib << " MiB";
}

// The answer is one pair, however much there is to compare.
TEST_F(MemoryTest, TheBestByValueIsFoundAmongMoreThanAnAnswerHolds) {
  constexpr std::size_t count = 60;
  fill(count, 0, 1'200'000);
  ASSERT_GT(count * 1'200'000, limits::response_bytes_max);
  RangeRequest request = get("k", "l");
  request.sort_order = SortOrder::ascend;
  request.sort_target = SortTarget::value;
  request.limit = 2;
  const std::size_t peak = peak_of(request, response);
  ASSERT_TRUE(response.has_value()) << response.error().what;
  const auto& found = std::get<RangeResponse>(*response);
  ASSERT_EQ(found.kvs.size(), 2u);
  EXPECT_TRUE(found.more);
  EXPECT_EQ(found.kvs[0].key, "k" + std::to_string(1'000'000 + count - 1));
  EXPECT_EQ(found.kvs[1].key, "k" + std::to_string(1'000'000 + count - 2));
  EXPECT_LE(peak, 16 * mib) << peak / mib << " MiB";
}

}  // namespace
}  // namespace aspen::kv
