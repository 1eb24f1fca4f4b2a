#include "host/policy/rule_table.hpp"

#include <array>
#include <utility>

#include "absl/strings/str_format.h"

namespace phalanx::policy {
namespace {

constexpr std::array kActionNames = {
#define PHALANX_X(name, text) std::string_view(text),
    PHALANX_RULE_ACTIONS(PHALANX_X)
#undef PHALANX_X
};

}  // namespace

std::string_view to_string(RuleAction action) {
  const auto index = static_cast<size_t>(action);
  return index < kActionNames.size() ? kActionNames[index] : "invalid";
}

absl::StatusOr<RuleTable> RuleTable::build(std::vector<Rule> rules) {
  if (rules.size() > kRulesMax) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("%d rules, at most %d are possible (16-bit rule ids)", rules.size(), kRulesMax));
  }
  RuleTable table;
  table.rules_ = std::move(rules);
  std::vector<const Match*> matches;
  matches.reserve(table.rules_.size());
  for (size_t i = 0; i < table.rules_.size(); ++i) {
    const Rule& rule = table.rules_[i];
    if (rule.name.empty()) return rule_error(absl::StrFormat("#%d", i + 1), "name", "missing");
    const auto [place, is_new] = table.by_name_.emplace(rule.name, static_cast<RuleId>(i));
    if (!is_new) {
      return rule_error(rule.name, "name", absl::StrFormat("rule %d has it already", place->second + 1));
    }
    if (static_cast<size_t>(rule.action) >= kActionNames.size()) return rule_error(rule.name, "action", "unknown");
    if (absl::Status s = validate(rule.match, rule.name); !s.ok()) return s;
    matches.push_back(rule.disabled ? nullptr : &rule.match);
  }
  absl::StatusOr<Classifier> classifier = Classifier::build(matches);
  if (!classifier.ok()) return classifier.status();
  table.classifier_ = *std::move(classifier);
  return table;
}

Decision RuleTable::classify(const FlowQuery& query, ClassifyWork* work) const {
  const uint32_t index = classifier_.find(query, work);
  if (index == kNoMatch) return Decision{};
  const Rule& rule = rules_[index];
  return Decision{rule.action, static_cast<RuleId>(index), rule.log};
}

RuleId RuleTable::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? kGoneRule : found->second;
}

std::vector<RuleId> RuleTable::ids_from(const RuleTable& old) const {
  std::vector<RuleId> ids;
  ids.reserve(old.rules_.size());
  for (const Rule& rule : old.rules_) ids.push_back(find(rule.name));
  return ids;
}

RuleId carry_over(RuleId id, absl::Span<const RuleId> ids) {
  if (id == kDefaultRule) return kDefaultRule;
  return id < ids.size() ? ids[id] : kGoneRule;
}

void RuleHits::carry_over_from(const RuleHits& old, absl::Span<const RuleId> ids) {
  for (size_t i = 0; i + 1 < old.hits_.size() && i < ids.size(); ++i) {
    if (ids[i] != kGoneRule) count(ids[i], old.hits_[i]);
  }
  hits_.back() += old.hits_.back();
}

}  // namespace phalanx::policy
