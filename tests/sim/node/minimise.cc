#include "tests/sim/node/minimise.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <new>
#include <vector>

#include "node/base/assert.h"

namespace aspen::sim::node {

namespace {

constexpr std::uint64_t courses = 3;  // that a candidate is tried in

using Clock = std::chrono::steady_clock;

class Minimiser {
 public:
  Minimiser(std::uint64_t seed, RunOptions options, double budget_s)
      : seed_(seed), best_(std::move(options)), budget_s_(budget_s) {
    void* memory =
        ::mmap(nullptr, sizeof(Begun), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASPEN_ASSERT(memory != MAP_FAILED);
    begun_ = static_cast<Begun*>(memory);
  }
  ~Minimiser() { ::munmap(begun_, sizeof(Begun)); }
  Minimiser(const Minimiser&) = delete;
  Minimiser& operator=(const Minimiser&) = delete;

  // False if the seed is clean.
  bool begin() {
    failure_ = run_apart(seed_, best_, begun_);
    if (!failure_) return false;
    std::printf("fails: %s: %s\n", failure_->check.c_str(), failure_->text.c_str());
    return true;
  }

  void shorten_horizon() {
    Time clean = 0;
    while (best_.horizon - clean > 50 * millisecond && in_time()) {
      RunOptions candidate = best_;
      candidate.horizon = clean + (best_.horizon - clean) / 2;
      if (!try_one(candidate)) clean = candidate.horizon;
    }
    std::printf("horizon %.3f s\n", static_cast<double>(best_.horizon) / second);
  }

  void drop_faults() {
    std::vector<std::uint64_t> left;
    const std::size_t all = draw_plan(seed_, best_.profile, best_.horizon).faults.size();
    for (std::uint64_t i = 0; i < all; ++i) {
      if (!best_.reduction.faults.contains(i)) left.push_back(i);
    }
    const std::size_t kept =
        drop(left, [](RunOptions& o, std::uint64_t i) { o.reduction.faults.insert(i); });
    std::printf("%zu of %zu faults are needed\n", kept, left.size());
  }

  void drop_operations() {
    static_cast<void>(run_apart(seed_, best_, begun_));
    const std::vector<std::uint64_t> begun(begun_->ids.begin(),
                                           begun_->ids.begin() + static_cast<long>(begun_->count));
    const std::size_t kept =
        drop(begun, [](RunOptions& o, std::uint64_t id) { o.reduction.operations.insert(id); });
    std::printf("%zu of %zu operations are needed\n", kept, begun.size());
  }

  [[nodiscard]] const RunOptions& best() const noexcept { return best_; }
  [[nodiscard]] std::uint64_t runs() const noexcept { return runs_; }

 private:
  [[nodiscard]] bool in_time() const {
    const double spent = std::chrono::duration<double>(Clock::now() - start_).count();
    return budget_s_ <= 0 || spent < budget_s_;
  }

  // Keeps the candidate if it fails in the same way, in one of a few courses: what is left out
  // shifts the order of everything behind it.
  bool try_one(RunOptions candidate) {
    for (std::uint64_t i = 0; i < courses; ++i) {
      ++runs_;
      const auto failure = run_apart(seed_, candidate, begun_);
      const bool same = failure && failure->check == failure_->check &&
                        (failure->check != "assertion" || failure->text == failure_->text);
      if (same) {
        best_ = candidate;
        return true;
      }
      ++candidate.reduction.salt;
    }
    return false;
  }

  // Drops pieces of the list, from halves down to single items. How many could not be dropped.
  std::size_t drop(std::vector<std::uint64_t> left,
                   const std::function<void(RunOptions&, std::uint64_t)>& leave_out) {
    for (std::size_t piece = (left.size() + 1) / 2; piece > 0 && !left.empty(); piece /= 2) {
      for (std::size_t at = 0; at < left.size() && in_time();) {
        RunOptions candidate = best_;
        const std::size_t end = std::min(at + piece, left.size());
        for (std::size_t i = at; i < end; ++i) leave_out(candidate, left[i]);
        if (try_one(candidate)) {
          left.erase(left.begin() + static_cast<long>(at), left.begin() + static_cast<long>(end));
        } else {
          at = end;
        }
      }
    }
    return left.size();
  }

  const std::uint64_t seed_;
  RunOptions best_;
  const double budget_s_;
  const Clock::time_point start_ = Clock::now();
  std::optional<Failure> failure_;
  Begun* begun_ = nullptr;
  std::uint64_t runs_ = 0;
};

}  // namespace

int minimise(std::uint64_t seed, const RunOptions& options, double budget_s) {
  Minimiser minimiser(seed, options, budget_s);
  if (!minimiser.begin()) {
    std::printf("seed %lu is clean\n", seed);
    return 0;
  }
  minimiser.shorten_horizon();
  minimiser.drop_faults();
  minimiser.drop_operations();
  minimiser.shorten_horizon();
  std::printf("after %lu runs: %s\n\n", minimiser.runs(),
              replay_command(seed, minimiser.best()).c_str());
  static_cast<void>(tell_seed(seed, minimiser.best(), Trace::Print::no));
  return 1;
}

}  // namespace aspen::sim::node
