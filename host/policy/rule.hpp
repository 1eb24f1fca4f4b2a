// A rule of the security policy.
#ifndef PHALANX_HOST_POLICY_RULE_HPP
#define PHALANX_HOST_POLICY_RULE_HPP

#include <cstdint>
#include <string>
#include <string_view>

#include "host/policy/match.hpp"

namespace phalanx::policy {

// What a rule does with a flow. Reject drops, and answers with a TCP RST or an ICMP unreachable.
#define PHALANX_RULE_ACTIONS(X) \
  X(kAccept, "accept")          \
  X(kDrop, "drop")              \
  X(kReject, "reject")

enum class RuleAction : uint8_t {
#define PHALANX_X(name, text) name,
  PHALANX_RULE_ACTIONS(PHALANX_X)
#undef PHALANX_X
};
std::string_view to_string(RuleAction action);

struct Rule {
  std::string name;  // not empty, unique in its table: what counters are carried over by
  Match match;
  RuleAction action = RuleAction::kDrop;
  bool log = false;
  bool disabled = false;  // keeps its place and id, matches nothing
};

// A rule's id is its place in the table, from 0. Sessions carry it in 16 bits; two values are taken.
using RuleId = uint16_t;
inline constexpr RuleId kDefaultRule = 0xffff;  // the implicit last rule: drop, no log
inline constexpr RuleId kGoneRule = 0xfffe;     // a rule that the present table doesn't have any more
inline constexpr size_t kRulesMax = 65534;      // ids 0..65533

}  // namespace phalanx::policy

#endif
