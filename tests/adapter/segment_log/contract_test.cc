// The segment log passes the contract, on the machine's file system and on the simulated one.
#include "node/adapter/posix/file_system.h"
#include "tests/adapter/segment_log/segment_log_subject.h"
#include "tests/contract/log_store_contract.h"
#include "tests/contract/sim_file_system.h"
#include "tests/support/temporary_folder.h"

namespace aspen::contract {
namespace {

using adapter::segment_log::Preparation;
using adapter::segment_log::SegmentLogSubject;
using adapter::segment_log::small_options;

struct RealStorage {
  support::TemporaryFolder directory;
  adapter::posix::PosixFileSystem files;
};

class RealSubject : private RealStorage, public SegmentLogSubject {
 public:
  RealSubject() : SegmentLogSubject(RealStorage::files, small_options(directory.path() + "/log")) {}
  // Only the process can be ended here.
  void crash(Prng& /*prng*/) override { reopen(); }
};

struct SimulatedStorage {
  SimFileSystem files;
};

class SimulatedSubject : private SimulatedStorage, public SegmentLogSubject {
 public:
  SimulatedSubject() : SegmentLogSubject(SimulatedStorage::files, simulated_options()) {}
  void crash(Prng& prng) override {
    SimulatedStorage::files.restart(prng.chance(1, 4) ? Crash::process : Crash::power, prng);
    reopen();
  }

 private:
  static adapter::segment_log::SegmentLogOptions simulated_options() {
    auto options = small_options("log");
    options.preparation = Preparation::in_line;
    return options;
  }
};

template <class Subject>
LogStoreFactory factory(std::string name) {
  return {std::move(name), [] { return std::make_unique<Subject>(); }};
}

INSTANTIATE_TEST_SUITE_P(SegmentLog, LogStoreContract,
                         testing::Values(factory<RealSubject>("posix"),
                                         factory<SimulatedSubject>("simulated")),
                         name_of);

}  // namespace
}  // namespace aspen::contract
