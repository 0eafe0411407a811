// Goal: whatever operation of the file system is the last one, and whatever part of the unsynced
// data survives it, nothing acknowledged is lost, nothing is half there, and the log goes on.
// Method: one random life of a log, cut at every single operation, on the simulated file system.
#include <gtest/gtest.h>

#include <iostream>

#include "tests/adapter/segment_log/log_script.h"
#include "tests/adapter/segment_log/segment_log_subject.h"
#include "tests/contract/sim_file_system.h"

namespace aspen::adapter::segment_log {
namespace {

using contract::Crash;
using contract::SimFileSystem;

constexpr int steps = 200;
constexpr std::uint64_t lives = 2;  // scripts with seeds of their own

SegmentLogOptions options() {
  SegmentLogOptions chosen = small_options("log");
  chosen.preparation = Preparation::in_line;
  return chosen;
}

std::unique_ptr<SegmentLog> open_sound(SimFileSystem& files) {
  LogDamage damage;
  auto opened = SegmentLog::open(files, options(), &damage);
  if (!opened) {
    ADD_FAILURE() << opened.error().what << "; " << describe(damage);
    return nullptr;
  }
  return std::move(*opened);
}

// Runs the script's life until it is over or the machine is down.
void live(SimFileSystem& files, LogScript& script) {
  auto log = SegmentLog::open(files, options());
  if (!log) {
    ASSERT_TRUE(files.crashed());
    return;
  }
  for (int i = 0; i < steps; ++i) {
    if (script.step(**log)) continue;
    ASSERT_TRUE(files.crashed());
    return;
  }
}

std::uint64_t operations_of(std::uint64_t seed) {
  SimFileSystem files;
  LogScript script(seed);
  live(files, script);
  return files.operations();
}

// What was recovered once is durable: a power loss right afterwards takes nothing of it. And the
// log can be written on.
void check_life_goes_on(SimFileSystem& files, LogScript& script, Prng& prng) {
  auto log = open_sound(files);
  ASSERT_NE(log, nullptr);
  script.check_recovered(*log);
  if (testing::Test::HasFatalFailure()) return;
  if (prng.chance(2, 3)) {
    log.reset();
    files.restart(Crash::power, prng);
    log = open_sound(files);
    ASSERT_NE(log, nullptr);
    script.check_exact(*log);
    if (testing::Test::HasFatalFailure()) return;
  }
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(script.step(*log));
  log.reset();
  files.restart(prng.chance(1, 2) ? Crash::power : Crash::process, prng);
  log = open_sound(files);
  ASSERT_NE(log, nullptr);
  script.check_exact(*log);
}

TEST(SegmentLogCrash, NothingAcknowledgedIsLostWhereverItIsCut) {
  for (std::uint64_t life = 1; life <= lives; ++life) {
    const std::uint64_t operations = operations_of(life);
    std::cout << "life " << life << ": " << operations << " operations\n";
    for (std::uint64_t cut = 1; cut <= operations; ++cut) {
      SCOPED_TRACE("life " + std::to_string(life) + ", cut at " + std::to_string(cut));
      Prng prng(life * 1'000'003 + cut);
      SimFileSystem files;
      LogScript script(life);
      files.crash_at(cut);
      live(files, script);
      files.restart(prng.chance(1, 5) ? Crash::process : Crash::power, prng);
      check_life_goes_on(files, script, prng);
      if (HasFailure()) return;
    }
  }
}

// Recovery writes too, and may itself be cut, several times.
TEST(SegmentLogCrash, RecoveryMayBeCutThreeTimes) {
  const std::uint64_t life = 11;
  const std::uint64_t operations = operations_of(life);
  for (std::uint64_t cut = 1; cut <= operations; ++cut) {
    SCOPED_TRACE("cut at " + std::to_string(cut));
    Prng prng(cut);
    SimFileSystem files;
    LogScript script(life);
    files.crash_at(cut);
    live(files, script);
    files.restart(Crash::power, prng);
    for (int depth = 0; depth < 3; ++depth) {
      files.crash_at(files.operations() + prng.between(1, 5));
      static_cast<void>(SegmentLog::open(files, options()));
      files.restart(prng.chance(1, 4) ? Crash::process : Crash::power, prng);
    }
    check_life_goes_on(files, script, prng);
    if (HasFailure()) return;
  }
}

// A failed operation is not retried: the store stays unusable, and a restart finds what was
// acknowledged. What a process finds that starts again is what a power loss after that leaves, even
// if the failed sync has made the kernel forget that it is not on the disk.
TEST(SegmentLogCrash, AfterAnIoErrorTheStoreIsPoisoned) {
  const std::uint64_t life = 21;
  const std::uint64_t operations = operations_of(life);
  for (std::uint64_t broken = 1; broken <= operations; ++broken) {
    SCOPED_TRACE("error at " + std::to_string(broken));
    Prng prng(broken);
    SimFileSystem files;
    LogScript script(life);
    files.fail_at(broken, Code::io_error);
    auto log = SegmentLog::open(files, options());
    bool failed = !log.has_value();
    for (int i = 0; i < steps && !failed; ++i) failed = !script.step(**log);
    ASSERT_TRUE(failed || files.operations() == operations);
    if (log && failed) {
      EXPECT_EQ((*log)->append({{}, HardState{Term(1'000), {}}, {}}).error().code, Code::io_error);
      (*log)->sync([](Result<void> done) { EXPECT_EQ(done.error().code, Code::io_error); });
      EXPECT_EQ((*log)->purge(Index(0)).error().code, Code::io_error);
    }
    files.restart(prng.chance(1, 2) ? Crash::power : Crash::process, prng);
    check_life_goes_on(files, script, prng);
    if (HasFailure()) return;
  }
}

// A batch that was refused for want of space is not in the log, and the log goes on.
TEST(SegmentLogCrash, WhatNoSpaceRefusesHasNotHappened) {
  const std::uint64_t life = 31;
  const std::uint64_t operations = operations_of(life);
  std::uint64_t refused = 0;
  for (std::uint64_t full = 1; full <= operations; ++full) {
    SCOPED_TRACE("no space at " + std::to_string(full));
    Prng prng(full);
    SimFileSystem files;
    LogScript script(life);
    files.fail_at(full, Code::no_space);
    auto log = SegmentLog::open(files, options());
    bool failed = !log.has_value();
    for (int i = 0; i < steps && !failed; ++i) failed = !script.step(**log);
    refused += script.refused();
    files.restart(Crash::power, prng);
    check_life_goes_on(files, script, prng);
    if (HasFailure()) return;
  }
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace aspen::adapter::segment_log
