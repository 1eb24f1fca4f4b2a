// Checker 3: no two live flows have the same translated key, and nothing reaches a host that it isn't for.
#ifndef PHALANX_TESTS_SIMULATION_CHECKERS_BINDINGS_HPP
#define PHALANX_TESTS_SIMULATION_CHECKERS_BINDINGS_HPP

#include <map>
#include <string>
#include <tuple>

#include "host/packet/parse.hpp"
#include "tests/simulation/checkers/violations.hpp"
#include "tests/simulation/host.hpp"

namespace phalanx::simulation {

class BindingsChecker {
 public:
  using Key = std::tuple<uint8_t, IpAddress, uint16_t, IpAddress, uint16_t>;
  // A packet of `flow` has left the gateway with `key` towards the servers.
  void translated(const Key& key, uint32_t flow, int64_t now_ns, const std::map<uint32_t, Flow>& flows,
                  Violations& out) {
    const auto [at, fresh] = owner_.try_emplace(key, flow);
    if (fresh || at->second == flow) return;
    const auto old = flows.find(at->second);
    if (old != flows.end() && !old->second.done && !old->second.closing) {
      out.push_back({Checker::kBindings, now_ns,
                     "flows " + std::to_string(at->second) + " and " + std::to_string(flow) + " share " +
                         to_string(std::get<1>(key)) + " port " + std::to_string(std::get<2>(key))});
    }
    at->second = flow;
  }

 private:
  std::map<Key, uint32_t> owner_;
};

}  // namespace phalanx::simulation

#endif
