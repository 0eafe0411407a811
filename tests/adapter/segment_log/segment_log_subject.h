// The segment log as a subject of the contract, over any file system.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "node/adapter/segment_log/segment_log.h"
#include "tests/contract/log_store_contract.h"

namespace aspen::adapter::segment_log {

class SegmentLogSubject : public contract::LogStoreSubject {
 public:
  SegmentLogSubject(FileSystem& files, SegmentLogOptions options)
      : files_(files), options_(std::move(options)) {
    SegmentLogSubject::reopen();
  }
  [[nodiscard]] LogStore& store() override { return *log_; }
  void reopen() override {
    log_.reset();
    LogDamage damage;
    auto opened = SegmentLog::open(files_, options_, &damage);
    ASSERT_TRUE(opened.has_value()) << opened.error().what << "; " << describe(damage);
    log_ = std::move(*opened);
  }

 private:
  FileSystem& files_;
  SegmentLogOptions options_;
  std::unique_ptr<SegmentLog> log_;
};

[[nodiscard]] inline SegmentLogOptions small_options(std::string directory) {
  SegmentLogOptions options;
  options.directory = std::move(directory);
  options.cluster = ClusterId(0xc1);
  options.self = {NodeId(0xa1), {0x1234, 0x5678}};
  options.segment_bytes = limits::log_segment_bytes_min;
  return options;
}

}  // namespace aspen::adapter::segment_log
