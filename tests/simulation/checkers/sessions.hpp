// Checker 2: an established session that the standby has acknowledged survives any single failure.
#ifndef PHALANX_TESTS_SIMULATION_CHECKERS_SESSIONS_HPP
#define PHALANX_TESTS_SIMULATION_CHECKERS_SESSIONS_HPP

#include <map>
#include <set>
#include <string>

#include "tests/simulation/checkers/violations.hpp"
#include "tests/simulation/host.hpp"

namespace phalanx::simulation {

class SessionsChecker {
 public:
  // A session counts as acknowledged when it was established so long before, with nothing outstanding since.
  static constexpr int64_t kSettledNs = 100 * kMillisecondNs;
  static constexpr int64_t kWorksNs = 500 * kMillisecondNs;

  void protect(const std::map<uint32_t, Flow>& flows, int64_t now_ns) {
    protected_.clear();
    for (const auto& [id, flow] : flows) {
      if (!flow.tcp || flow.done || flow.closing || flow.established_ns < 0 || !flow.server_established) continue;
      // One that no member knows any more, since both died, is beyond saving.
      const bool works = now_ns - flow.answered_ns <= kWorksNs;
      if (works && now_ns - flow.established_ns >= kSettledNs) protected_.insert(id);
    }
  }
  void release() { protected_.clear(); }
  size_t count() const { return protected_.size(); }

  // `progress_since_ns`: every protected connection must have been answered since then, or have closed by itself.
  void check(const std::map<uint32_t, Flow>& flows, int64_t progress_since_ns, int64_t now_ns, Violations& out) const {
    for (const uint32_t id : protected_) {
      const Flow& flow = flows.at(id);
      if (flow.reset) {
        out.push_back({Checker::kSessions, now_ns, "connection " + std::to_string(id) + " was reset"});
      } else if (!flow.closing && !flow.done && flow.answered_ns < progress_since_ns) {
        out.push_back({Checker::kSessions, now_ns,
                       "connection " + std::to_string(id) + " stalls since " +
                           std::to_string(flow.answered_ns / 1'000'000) + " ms"});
      }
    }
  }

 private:
  std::set<uint32_t> protected_;
};

}  // namespace phalanx::simulation

#endif
