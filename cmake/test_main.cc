// The main of every GoogleTest program. Exit status: 0 passed, 1 failed, 77 skipped: every test
// that ran lacked something it needs, and said what.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  if (RUN_ALL_TESTS() != 0) return 1;
  const testing::UnitTest& tests = *testing::UnitTest::GetInstance();
  const bool skipped = tests.successful_test_count() == 0 && tests.skipped_test_count() > 0;
  return skipped ? 77 : 0;
}
