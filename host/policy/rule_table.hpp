// The ordered rules, and the first of them that a flow meets, found without walking over them.
#ifndef PHALANX_HOST_POLICY_RULE_TABLE_HPP
#define PHALANX_HOST_POLICY_RULE_TABLE_HPP

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "host/policy/classifier.hpp"
#include "host/policy/rule.hpp"

namespace phalanx::policy {

struct Decision {
  RuleAction action = RuleAction::kDrop;
  RuleId rule = kDefaultRule;
  bool log = false;
};

// Immutable once built: a new policy is a new table, put in place of the old as a whole.
class RuleTable {
 public:
  RuleTable() = default;  // no rules: everything meets the default rule
  // InvalidArgument names the rule and the field; ResourceExhausted the limit (kRulesMax, kRangesMax).
  static absl::StatusOr<RuleTable> build(std::vector<Rule> rules);

  // The first rule in order that the flow meets, or the default rule. `work`, if given, is added to.
  Decision classify(const FlowQuery& query, ClassifyWork* work = nullptr) const;

  absl::Span<const Rule> rules() const { return rules_; }
  // The rule of that name, kGoneRule if there is none.
  RuleId find(std::string_view name) const;
  // For each rule id of `old`, the id that the rule of the same name has here; kGoneRule for those that are gone.
  std::vector<RuleId> ids_from(const RuleTable& old) const;
  uint64_t memory_bytes() const { return classifier_.memory_bytes(); }

 private:
  std::vector<Rule> rules_;
  absl::flat_hash_map<std::string, RuleId> by_name_;
  Classifier classifier_;
};

// `id`, an id of the table that `ids` was made from, as an id of the new table; the default rule stays itself.
RuleId carry_over(RuleId id, absl::Span<const RuleId> ids);

// Flows and packets that met each rule. Each data plane owns one and writes it without locks.
class RuleHits {
 public:
  explicit RuleHits(const RuleTable& table) : hits_(table.rules().size() + 1, 0) {}
  // Ids that no rule has (kGoneRule, a replica's id of a longer table) are counted with the default rule.
  void count(RuleId rule, uint64_t hits = 1) { hits_[rule < hits_.size() ? rule : hits_.size() - 1] += hits; }
  uint64_t of(RuleId rule) const { return hits_[rule < hits_.size() ? rule : hits_.size() - 1]; }
  // By rule id; the last one is the default rule's.
  absl::Span<uint64_t> hits() { return absl::MakeSpan(hits_); }
  absl::Span<const uint64_t> hits() const { return hits_; }
  // Adds the counts of a former table's rules to those of the same names here.
  void carry_over_from(const RuleHits& old, absl::Span<const RuleId> ids);

 private:
  std::vector<uint64_t> hits_;
};

}  // namespace phalanx::policy

#endif
