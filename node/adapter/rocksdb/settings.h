// How RocksDB is set up for the state store, and why: see settings.cc.
#pragma once

#include <memory>

#include <rocksdb/cache.h>
#include <rocksdb/options.h>

#include "node/adapter/rocksdb/rocksdb_state_store.h"

namespace aspen::adapter::rocksdb {

struct RocksdbSettings {
  ::rocksdb::Options options;
  std::shared_ptr<::rocksdb::Cache> cache;
};

// Precondition: options.memory_bytes >= limits::state_store_memory_bytes_min.
[[nodiscard]] RocksdbSettings make_settings(const RocksdbOptions& options);

}  // namespace aspen::adapter::rocksdb
