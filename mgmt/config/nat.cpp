// Checks of NAT rules: each kind has fields that it needs and fields that it has no use for.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mgmt/config/references.hpp"
#include "mgmt/config/syntax.hpp"

namespace phalanx::mgmt {
namespace {

enum class Need { kNo, kMay, kMust };

// Which fields each kind has: the table of docs/configuration.md.
struct KindFields {
  v1::NatKind kind;
  Need to, source, destination, destination_ports, address, target, target_port;
};
constexpr KindFields kKinds[] = {
    {v1::NAT_KIND_HIDE, Need::kMay, Need::kMay, Need::kMay, Need::kMay, Need::kMust, Need::kNo, Need::kNo},
    {v1::NAT_KIND_STATIC, Need::kMay, Need::kMust, Need::kMay, Need::kNo, Need::kMust, Need::kNo, Need::kNo},
    {v1::NAT_KIND_DESTINATION, Need::kNo, Need::kMay, Need::kMust, Need::kMay, Need::kNo, Need::kMust, Need::kMay},
    {v1::NAT_KIND_EXEMPT, Need::kMay, Need::kMay, Need::kMay, Need::kMay, Need::kNo, Need::kNo, Need::kNo},
};

class RuleCheck {
 public:
  RuleCheck(const v1::Config& config, const v1::NatRule& rule, std::string path, Problems& problems)
      : config_(config), rule_(rule), path_(std::move(path)), problems_(problems) {}

  void run() {
    const KindFields* fields = nullptr;
    for (const KindFields& candidate : kKinds) {
      if (candidate.kind == rule_.kind()) fields = &candidate;
    }
    if (fields == nullptr) return;  // check_rules has refused it
    kind_ = short_name(*v1::NatKind_descriptor()->FindValueByNumber(rule_.kind()));
    bool fits = need(fields->to, rule_.to_size() > 0, "to");
    fits &= need(fields->source, rule_.source_size() > 0, "source");
    fits &= need(fields->destination, rule_.destination_size() > 0, "destination");
    fits &= need(fields->destination_ports, rule_.destination_ports_size() > 0, "destination_ports");
    fits &= need(fields->address, rule_.has_address(), "address");
    fits &= need(fields->target, rule_.has_target(), "target");
    fits &= need(fields->target_port, rule_.has_target_port(), "target_port");
    check_ports_fit(rule_.protocol(), rule_.destination_ports_size(), path_, "destination_ports", problems_);
    check_ports_fit(rule_.protocol(), rule_.has_target_port() ? 1 : 0, path_, "target_port", problems_);
    check_families(rule_.source(), rule_.destination(), path_ + ".destination", problems_);
    if (rule_.protocol() == v1::PROTOCOL_OTHER) problems_.add(path_ + ".protocol", "OTHER is not for rules");
    if (!fits) return;
    if (rule_.kind() == v1::NAT_KIND_HIDE) check_hide();
    if (rule_.kind() == v1::NAT_KIND_STATIC) check_static();
    if (rule_.kind() == v1::NAT_KIND_DESTINATION) check_target();
  }

 private:
  bool need(Need need, bool present, const char* field) {
    if (need == Need::kMust && !present) {
      problems_.add(join_path(path_, field), absl::StrCat("is required by kind ", kind_));
    } else if (need == Need::kNo && present) {
      problems_.add(join_path(path_, field), absl::StrCat("has no meaning with kind ", kind_));
    } else {
      return true;
    }
    return false;
  }

  void check_hide() {
    const std::string path = path_ + ".address";
    const auto address = parse_prefix_or_address(rule_.address());
    if (!address->is_single()) {
      problems_.add(path, "must be one address to hide behind");
      return;
    }
    if (!is_virtual(*address))
      problems_.add(path, absl::StrCat(rule_.address(), " is not a virtual address of any interface"));
    for (int i = 0; i < rule_.source_size(); ++i) {
      same_family(rule_.source(i), address->family, absl::StrCat(path_, ".source[", i, "]"), "address");
    }
  }

  void check_static() {
    if (rule_.source_size() != 1) {
      problems_.add(path_ + ".source", "must be one prefix with kind STATIC");
      return;
    }
    const auto inside = parse_prefix_or_address(rule_.source(0));
    const auto outside = parse_prefix_or_address(rule_.address());
    if (inside->family != outside->family || inside->length != outside->length) {
      problems_.add(path_ + ".address",
                    absl::StrCat(rule_.address(), " is not as long as the source ", rule_.source(0)));
    }
  }

  void check_target() {
    const int family = parse_address(rule_.target())->family;
    for (int i = 0; i < rule_.destination_size(); ++i) {
      same_family(rule_.destination(i), family, absl::StrCat(path_, ".destination[", i, "]"), "target");
    }
  }

  void same_family(const std::string& prefix, int family, const std::string& path, const char* other) {
    if (parse_prefix_or_address(prefix)->family != family) {
      problems_.add(path, absl::StrCat(prefix, " is of another IP version than ", other));
    }
  }

  bool is_virtual(const Network& address) const {
    const auto any = [&](const auto& texts) {
      for (const std::string& text : texts) {
        if (same_address(*parse_network(text), address)) return true;
      }
      return false;
    };
    for (const v1::Interface& interface : config_.interfaces()) {
      if (any(interface.virtual_addresses())) return true;
      for (const v1::Vlan& vlan : interface.vlans()) {
        if (any(vlan.virtual_addresses())) return true;
      }
    }
    return false;
  }

  const v1::Config& config_;
  const v1::NatRule& rule_;
  std::string path_;
  Problems& problems_;
  std::string kind_;
};

}  // namespace

void check_nat(const v1::Config& config, Problems& problems) {
  const Places places(config);
  for (int i = 0; i < config.nat().rules_size(); ++i) {
    const v1::NatRule& rule = config.nat().rules(i);
    const std::string path = absl::StrCat("nat.rules[", i, "]");
    places.check(rule.from(), path + ".from", problems);
    places.check(rule.to(), path + ".to", problems);
    RuleCheck(config, rule, path, problems).run();
  }
}

}  // namespace phalanx::mgmt
