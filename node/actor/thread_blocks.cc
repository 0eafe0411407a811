// Blocks for message nodes. Each thread keeps some of each size; what is too much or too little
// goes to and from a depot of the process, a batch at a time, so that a thread that only sends and
// one that only receives meet the lock once in a batch. Memory is kept for reuse and never given
// back: its amount follows the largest number of messages in flight, which mailboxes bound.
#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "node/actor/mailbox.h"
#include "node/actor/thread_lock.h"
#include "node/base/assert.h"

namespace aspen::actor {

#ifdef ASPEN_SANITIZED

// The sanitizers see each block's life.
void* allocate_block(std::size_t size_class) noexcept {
  ASPEN_ASSERT(size_class < block_bytes.size());
  return std::allocator<std::max_align_t>().allocate(block_bytes[size_class] /
                                                     sizeof(std::max_align_t));
}

void release_block(void* block, std::size_t size_class) noexcept {
  ASPEN_ASSERT(size_class < block_bytes.size());
  std::allocator<std::max_align_t>().deallocate(static_cast<std::max_align_t*>(block),
                                                block_bytes[size_class] / sizeof(std::max_align_t));
}

#else

namespace {

constexpr std::size_t batch_blocks = 64;
constexpr std::size_t cached_blocks_max = 2 * batch_blocks;

struct FreeBlock {
  FreeBlock* next;
};
struct alignas(64) CacheLine {
  std::array<std::byte, 64> bytes;
};

struct Stack {
  FreeBlock* first;
  std::size_t count;

  void push(FreeBlock* block) noexcept {
    block->next = first;
    first = block;
    ++count;
  }
  [[nodiscard]] FreeBlock* pop() noexcept {
    FreeBlock* const block = first;
    first = block->next;
    --count;
    return block;
  }
};

class Depot {
 public:
  [[nodiscard]] Stack take(std::size_t size_class) {
    const ThreadLockGuard guard(lock_);
    std::vector<Stack>& batches = batches_[size_class];
    if (batches.empty()) return make_batch(size_class);
    const Stack batch = batches.back();
    batches.pop_back();
    return batch;
  }
  void give(std::size_t size_class, const Stack& batch) {
    const ThreadLockGuard guard(lock_);
    batches_[size_class].push_back(batch);
  }

 private:
  [[nodiscard]] static Stack make_batch(std::size_t size_class) {
    const std::size_t lines = block_bytes[size_class] / sizeof(CacheLine);
    CacheLine* const memory = std::allocator<CacheLine>().allocate(lines * batch_blocks);
    Stack batch{};
    for (std::size_t i = batch_blocks; i-- > 0;) {
      batch.push(std::construct_at(reinterpret_cast<FreeBlock*>(memory + i * lines)));
    }
    ASPEN_ASSERT(batch.count == batch_blocks);
    return batch;
  }

  ThreadLock lock_;
  std::array<std::vector<Stack>, block_bytes.size()> batches_;
};

// Lives as long as the process: blocks are released by threads and objects that end at any time.
Depot& depot() {
  static Depot& the_depot = *std::make_unique<Depot>().release();
  return the_depot;
}

constinit thread_local std::array<Stack, block_bytes.size()> cache{};

// Gives back what an ending thread has kept.
struct CacheKeeper {
  void keep() noexcept {}
  ~CacheKeeper() {
    for (std::size_t size_class = 0; size_class < cache.size(); ++size_class) {
      if (cache[size_class].count > 0) depot().give(size_class, cache[size_class]);
      cache[size_class] = {};
    }
  }
};
thread_local CacheKeeper keeper;

void give_batch(std::size_t size_class) {
  Stack& stack = cache[size_class];
  ASPEN_ASSERT(stack.count >= batch_blocks);
  Stack batch{};
  for (std::size_t i = 0; i < batch_blocks; ++i) batch.push(stack.pop());
  depot().give(size_class, batch);
}

}  // namespace

void* allocate_block(std::size_t size_class) noexcept {
  Stack& stack = cache[size_class];
  if (stack.count == 0) [[unlikely]] {
    keeper.keep();
    stack = depot().take(size_class);
    ASPEN_ASSERT(stack.count > 0);
  }
  return stack.pop();
}

void release_block(void* block, std::size_t size_class) noexcept {
  Stack& stack = cache[size_class];
  stack.push(std::construct_at(static_cast<FreeBlock*>(block)));
  if (stack.count >= cached_blocks_max) [[unlikely]] {
    keeper.keep();
    give_batch(size_class);
  }
}

#endif

}  // namespace aspen::actor
