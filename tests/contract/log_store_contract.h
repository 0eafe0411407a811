// What every log store must do, as parametrised tests: instantiate LogStoreContract with a factory
// of LogStoreSubject in the tests of an implementation.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "node/base/prng.h"
#include "node/port/log_store.h"

namespace aspen::contract {

// A store under test, and the way to open it again over the same storage.
class LogStoreSubject {
 public:
  virtual ~LogStoreSubject() = default;
  [[nodiscard]] virtual LogStore& store() = 0;
  // Ends the process in an orderly way and starts it again.
  virtual void reopen() = 0;
  // Ends it as hard as the subject can, and starts it again. `prng` chooses what survives.
  virtual void crash(Prng& prng) = 0;
};

struct LogStoreFactory {
  std::string name;
  std::function<std::unique_ptr<LogStoreSubject>()> make;
};

inline std::string name_of(const testing::TestParamInfo<LogStoreFactory>& info) {
  return info.param.name;
}

class LogStoreContract : public testing::TestWithParam<LogStoreFactory> {
 protected:
  void SetUp() override { subject_ = GetParam().make(); }

  [[nodiscard]] LogStore& store() { return subject_->store(); }
  void reopen() { subject_->reopen(); }
  void append_synced(const LogBatch& batch);
  void sync();

  std::unique_ptr<LogStoreSubject> subject_;
};

}  // namespace aspen::contract
