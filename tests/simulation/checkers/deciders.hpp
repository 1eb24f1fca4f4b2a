// Checker 1: the decision intervals of two members never overlap.
#ifndef PHALANX_TESTS_SIMULATION_CHECKERS_DECIDERS_HPP
#define PHALANX_TESTS_SIMULATION_CHECKERS_DECIDERS_HPP

#include <algorithm>
#include <string>
#include <vector>

#include "tests/simulation/checkers/violations.hpp"

namespace phalanx::simulation {

// A decision interval is the time from a member's first packet forwarded in one epoch of one life to its last.
class DecidersChecker {
 public:
  void forwarded(int node, uint64_t life, uint64_t epoch, int64_t now_ns) {
    for (auto i = intervals_.rbegin(); i != intervals_.rend(); ++i) {
      if (i->node != node || i->life != life || i->epoch != epoch) continue;
      i->last_ns = now_ns;
      return;
    }
    intervals_.push_back({node, life, epoch, now_ns, now_ns});
  }
  // From `from_ns` to `to_ns` two members can't tell (docs/cluster.md, "What is not covered").
  void excuse(int64_t from_ns, int64_t to_ns) { excuses_.push_back({from_ns, to_ns}); }

  void check(Violations& out) const {
    for (size_t x = 0; x < intervals_.size(); ++x) {
      for (size_t y = x + 1; y < intervals_.size(); ++y) {
        const Interval &a = intervals_[x], &b = intervals_[y];
        if (a.node == b.node) continue;
        const int64_t from_ns = std::max(a.first_ns, b.first_ns), to_ns = std::min(a.last_ns, b.last_ns);
        if (from_ns >= to_ns || excused(from_ns, to_ns)) continue;
        out.push_back({Checker::kDeciders, from_ns,
                       "members 1 and 2 both forward from " + std::to_string(from_ns / 1000) + " to " +
                           std::to_string(to_ns / 1000) + " us, with epochs " + std::to_string(a.epoch) + " and " +
                           std::to_string(b.epoch)});
      }
    }
  }

 private:
  struct Interval {
    int node;
    uint64_t life, epoch;
    int64_t first_ns, last_ns;
  };
  struct Excuse {
    int64_t from_ns, to_ns;
  };
  bool excused(int64_t from_ns, int64_t to_ns) const {
    return std::any_of(excuses_.begin(), excuses_.end(),
                       [&](const Excuse& e) { return e.from_ns <= from_ns && to_ns <= e.to_ns; });
  }
  std::vector<Interval> intervals_;
  std::vector<Excuse> excuses_;
};

}  // namespace phalanx::simulation

#endif
