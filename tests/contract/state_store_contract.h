// What every state store must do, as parametrised tests: instantiate StateStoreContract with a
// factory of StateStoreSubject in the tests of an implementation.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "node/port/state_store.h"

namespace aspen::contract {

// A store under test, and the ways to end its process.
class StateStoreSubject {
 public:
  virtual ~StateStoreSubject() = default;
  [[nodiscard]] virtual StateStore& store() = 0;
  // The process dies without warning and starts again: what is not durable is lost.
  virtual void crash() = 0;
  // The path of a directory that does not exist yet, where checkpoints may be made.
  [[nodiscard]] virtual std::string place(const std::string& name) = 0;
  // Spoils a checkpoint.
  virtual void damage(const std::string& directory) = 0;
  // Lets a flush in the background go on, while the test polls for its end.
  virtual void pause() = 0;
};

struct StateStoreFactory {
  std::string name;
  std::function<std::unique_ptr<StateStoreSubject>()> make;
};

inline std::string name_of(const testing::TestParamInfo<StateStoreFactory>& info) {
  return info.param.name;
}

class StateStoreContract : public testing::TestWithParam<StateStoreFactory> {
 protected:
  void SetUp() override { subject_ = GetParam().make(); }

  [[nodiscard]] StateStore& store() { return subject_->store(); }
  void put(const std::string& key, const std::string& value);
  void erase(const std::string& key);
  [[nodiscard]] std::optional<std::string> get(const StateView& view, const std::string& key);
  // All rows of [lower, upper) as "key=value " texts.
  [[nodiscard]] std::string rows(const StateView& view, const std::string& lower = "",
                                 const std::string& upper = "");

  // Flushes and waits until the row is durable.
  void make_durable(const std::string& key, const std::string& value);
  void await_durable(const std::string& key, const std::string& value);

  std::unique_ptr<StateStoreSubject> subject_;
};

}  // namespace aspen::contract
