#include "node/adapter/rocksdb/settings.h"

#include <algorithm>
#include <cstdint>

#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>
#include <rocksdb/write_buffer_manager.h>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::adapter::rocksdb {
namespace {

constexpr std::size_t mib = 1024 * 1024;
constexpr double index_share = 0.3;  // of the cache, kept for indexes and filters
constexpr double bloom_bits = 10;
constexpr double memtable_bloom_share = 0.02;
constexpr std::size_t protection_bytes = 8;

// A run of deletions this dense makes a file worth compacting by itself: what physical deletion
// leaves behind goes before it is in the way of scans.
constexpr std::size_t deletion_window = 4096;
constexpr std::size_t deletion_trigger = 2048;

// Small: a skip list that fits the processor's cache takes a row in half the time.
std::size_t write_buffer_bytes(std::uint64_t memory_bytes) {
  return std::clamp<std::size_t>(memory_bytes / 16, 4 * mib, 32 * mib);
}

void set_memory(RocksdbSettings& out, std::uint64_t memory_bytes) {
  ::rocksdb::LRUCacheOptions cache;
  cache.capacity = memory_bytes;
  cache.high_pri_pool_ratio = index_share;
  out.cache = ::rocksdb::NewLRUCache(cache);

  const std::size_t buffer = write_buffer_bytes(memory_bytes);
  ::rocksdb::Options& o = out.options;
  o.write_buffer_size = buffer;
  // One buffer fills while the other is flushed. With two waiting, a flush that failed for lack of
  // room could be repeated out of order in this version.
  o.max_write_buffer_number = 2;
  // The buffers are paid for from the cache: one budget for all.
  o.write_buffer_manager =
      std::make_shared<::rocksdb::WriteBufferManager>(2 * buffer + buffer / 2, out.cache);
  o.max_open_files = static_cast<int>(limits::state_store_open_files_max);
  o.memtable_prefix_bloom_size_ratio = memtable_bloom_share;
  o.memtable_whole_key_filtering = true;
  // Rows of one table (the first byte) are often written in order: the search for a place begins at
  // the last one.
  o.memtable_insert_with_hint_prefix_extractor.reset(::rocksdb::NewFixedPrefixTransform(1));
  ASPEN_ASSERT(2 * buffer < memory_bytes);
}

void set_tables(RocksdbSettings& out) {
  ::rocksdb::BlockBasedTableOptions table;
  table.block_cache = out.cache;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(::rocksdb::NewBloomFilterPolicy(bloom_bits));
  table.whole_key_filtering = true;
  table.checksum = ::rocksdb::kXXH3;
  table.format_version = 5;
  out.options.table_factory.reset(::rocksdb::NewBlockBasedTableFactory(table));
}

void set_compaction(::rocksdb::Options& o, std::uint64_t bytes_per_second) {
  o.max_background_jobs = 2;
  o.max_subcompactions = 1;
  o.level_compaction_dynamic_level_bytes = true;
  o.target_file_size_base = 32 * mib;
  o.max_bytes_for_level_base = 128 * mib;
  // What is young is rewritten soon: packing it is wasted work.
  o.compression_per_level = {::rocksdb::kNoCompression, ::rocksdb::kNoCompression,
                             ::rocksdb::kLZ4Compression};
  o.bytes_per_sync = mib;
  o.table_properties_collector_factories.push_back(
      ::rocksdb::NewCompactOnDeletionCollectorFactory(deletion_window, deletion_trigger));
  if (bytes_per_second > 0) {
    o.rate_limiter.reset(
        ::rocksdb::NewGenericRateLimiter(static_cast<std::int64_t>(bytes_per_second)));
  }
}

}  // namespace

RocksdbSettings make_settings(const RocksdbOptions& options) {
  RocksdbSettings out;
  ::rocksdb::Options& o = out.options;
  if (options.env != nullptr) o.env = options.env;
  o.create_if_missing = true;
  o.avoid_flush_during_shutdown = options.on_close == RocksdbOptions::OnClose::abandon;

  // One column family, one writer, no write-ahead log: nothing to be gained by concurrency, and
  // snapshots must be immutable.
  o.unordered_write = false;
  o.enable_pipelined_write = false;
  o.allow_concurrent_memtable_write = false;

  // A flipped bit stops the node instead of spreading.
  o.paranoid_checks = true;
  o.force_consistency_checks = true;
  o.memtable_protection_bytes_per_key = protection_bytes;
  // Only a full disk is waited for (by the file manager); any other background error is final.
  o.max_bgerror_resume_count = 0;

  set_memory(out, options.memory_bytes);
  set_tables(out);
  set_compaction(o, options.background_bytes_per_second);

  // The library's own log and manifest stay small.
  o.info_log_level = ::rocksdb::WARN_LEVEL;
  o.max_log_file_size = 4 * mib;
  o.keep_log_file_num = 2;
  o.max_manifest_file_size = 16 * mib;
  o.stats_dump_period_sec = 0;
  o.stats_persist_period_sec = 0;
  return out;
}

}  // namespace aspen::adapter::rocksdb
