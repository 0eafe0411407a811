#include "node/stopping_health.h"

#include <gtest/gtest.h>

namespace aspen {
namespace {

class FixedHealth final : public HealthBoard {
 public:
  void publish(Health published, Instant) override { health = std::move(published); }
  [[nodiscard]] Health current(Instant) const override { return health; }
  Health health;
};

TEST(StoppingHealth, ANodeThatStopsIsLiveAndNotReadyWhateverIsPublished) {
  FixedHealth board;
  StoppingHealth health(board);
  health.publish({true, true, ""}, Instant{});
  EXPECT_TRUE(board.health.ready);
  EXPECT_TRUE(health.current(Instant{}).ready);
  health.stop();
  health.publish({true, true, ""}, Instant{});
  EXPECT_FALSE(health.current(Instant{}).ready);
  EXPECT_TRUE(health.current(Instant{}).live);
  EXPECT_EQ(health.current(Instant{}).reason, "the node is stopping");
}

}  // namespace
}  // namespace aspen
