// Parts that the cross-checks of policy and of NAT share.
#ifndef PHALANX_MGMT_CONFIG_REFERENCES_HPP
#define PHALANX_MGMT_CONFIG_REFERENCES_HPP

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "mgmt/config/problems.hpp"
#include "mgmt/config/rules.hpp"
#include "phalanx/v1/config.pb.h"

namespace phalanx::mgmt {

// What a rule's `from` and `to` may name: interfaces, VLANs and zones.
class Places {
 public:
  explicit Places(const v1::Config& config);
  // Refuses names that are none.
  void check(const google::protobuf::RepeatedPtrField<std::string>& used, const std::string& path,
             Problems& problems) const;

 private:
  std::set<std::string> names_;
  std::vector<std::string> list_;  // in the order of the configuration, for suggestions
};

// Refuses ports with a protocol that has none.
void check_ports_fit(v1::Protocol protocol, int ports, const std::string& path, absl::string_view field,
                     Problems& problems);

// Refuses prefixes `y` of which none is of an IP version that is in `x`; `path` is that of `y`.
void check_families(const google::protobuf::RepeatedPtrField<std::string>& x,
                    const google::protobuf::RepeatedPtrField<std::string>& y, const std::string& path,
                    Problems& problems);

}  // namespace phalanx::mgmt

#endif
