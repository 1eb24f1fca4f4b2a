// NAT rules and what they decide for a flow's first packet. Later packets are rewritten by their session alone.
#ifndef PHALANX_HOST_POLICY_NAT_HPP
#define PHALANX_HOST_POLICY_NAT_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "host/policy/classifier.hpp"
#include "host/policy/match.hpp"

namespace phalanx::policy {

#define PHALANX_NAT_KINDS(X)                                                                          \
  X(kHide, "hide")               /* source: many hosts behind one virtual address, ports allocated */ \
  X(kStatic, "static")           /* one to one, both directions, ports kept */                        \
  X(kDestination, "destination") /* destination address and port forwarded to a target */             \
  X(kExempt, "exempt")           /* leaves matching flows as they are, whatever later rules say */

enum class NatKind : uint8_t {
#define PHALANX_X(name, text) name,
  PHALANX_NAT_KINDS(PHALANX_X)
#undef PHALANX_X
};
std::string_view to_string(NatKind kind);

// Conditions are those of a flow from `match.from` to `match.to`. A static rule's match is that of the inside host's
// flows: `sources` is empty (inside is the source), `destinations` are the peers; flows to the outside address are
// matched mirrored.
struct NatRule {
  std::string name;
  NatKind kind = NatKind::kHide;
  Match match;
  IpAddress address;  // hide: the virtual address; destination: the target
  uint16_t target_port =
      0;           // destination: port of the target, the matched range's first port maps to it; 0 keeps ports
  Prefix inside;   // static: host or network, as it is
  Prefix outside;  // static: and as the world sees it; of the same family and length
  bool disabled = false;
};

inline constexpr size_t kNatRulesMax = kMatchesMax;
inline constexpr uint16_t kNoNatRule = 0xffff;

// What becomes of one side of a flow.
struct NatDecision {
  bool translate = false;
  bool allocate_port = false;  // the caller draws the port (or echo id) from a PortChooser
  NatKind kind = NatKind::kExempt;
  uint16_t rule = kNoNatRule;  // place of the rule that decided, kNoNatRule if none matched
  IpAddress address;           // the new address, if translate
  uint16_t port = 0;           // the new port, if translate and not allocate_port; the old one if it's kept
};

// Immutable once built.
class NatTable {
 public:
  NatTable() = default;  // translates nothing
  // InvalidArgument names the rule and the field.
  static absl::StatusOr<NatTable> build(std::vector<NatRule> rules);

  // Before routing: where the flow really goes. The query's out_port isn't known and isn't looked at.
  NatDecision destination(const FlowQuery& query) const;
  // After routing: who the flow comes from. The query has the out port and the destination that destination() gave.
  NatDecision source(const FlowQuery& query) const;

  absl::Span<const NatRule> rules() const { return rules_; }

 private:
  std::vector<NatRule> rules_;
  Classifier to_destination_;
  Classifier to_source_;
};

}  // namespace phalanx::policy

#endif
