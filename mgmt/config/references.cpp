// Checks of what must exist, be unique or fit together.
#include "mgmt/config/references.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "mgmt/config/config.hpp"
#include "mgmt/config/syntax.hpp"

namespace phalanx::mgmt {
namespace {

// Data ports: interfaces and VLANs together; the data plane keeps sets of them in 64 bits.
constexpr int kPortsMax = 64;

// Refuses the second of two equal values.
class Unique {
 public:
  Unique(Problems& problems, std::string what) : problems_(problems), what_(std::move(what)) {}
  void add(const std::string& value, const std::string& path) {
    const auto [it, fresh] = seen_.emplace(value, path);
    if (!fresh) problems_.add(path, absl::StrCat(what_, " ", value, " is taken by ", it->second));
  }

 private:
  Problems& problems_;
  std::string what_;
  std::map<std::string, std::string> seen_;
};

void check_members(const v1::Config& config, Problems& problems) {
  Unique ids(problems, "id");
  Unique names(problems, "name");
  Unique addresses(problems, "address");
  Unique endpoints(problems, "address");
  for (int i = 0; i < config.cluster().members_size(); ++i) {
    const v1::Member& member = config.cluster().members(i);
    const std::string path = absl::StrCat("cluster.members[", i, "]");
    ids.add(absl::StrCat(member.id()), path + ".id");
    names.add(member.name(), path + ".name");
    addresses.add(member.sync_address(), path + ".sync_address");
    endpoints.add(member.management_address(), path + ".management_address");
  }
  const v1::Member* own = own_member(config);
  if (own == nullptr) {
    problems.add("member.id", absl::StrCat(config.member().id(), " is not in cluster.members"));
  } else if (own->name() != config.member().name()) {
    problems.add("member.name", absl::StrCat("cluster.members calls member ", own->id(), " ", own->name()));
  }
  if (config.cluster().authentication() == v1::AUTHENTICATION_REQUIRED && !config.cluster().has_key_file()) {
    problems.add("cluster.key_file", "is required by authentication REQUIRED");
  }
}

void check_management(const v1::Config& config, Problems& problems) {
  Unique listeners(problems, "address");
  bool tcp = false;
  for (int i = 0; i < config.management().listen_size(); ++i) {
    const std::string& listener = config.management().listen(i);
    const std::string path = absl::StrCat("management.listen[", i, "]");
    listeners.add(listener, path);
    if (absl::StartsWith(listener, "unix:")) continue;
    tcp = true;
    if (!config.management().has_tls()) problems.add(path, "a TCP listener needs management.tls");
  }
  if (!tcp && config.cluster().members_size() > 1) {
    problems.add("management.listen", "needs a TCP listener: other members take full sync from it");
  }
}

void check_addresses(const google::protobuf::RepeatedPtrField<std::string>& addresses, const std::string& path,
                     std::vector<std::pair<Network, std::string>>& all, Problems& problems) {
  const size_t others = all.size();
  for (int i = 0; i < addresses.size(); ++i) {
    const std::string address_path = absl::StrCat(path, ".virtual_addresses[", i, "]");
    const auto network = parse_network(addresses[i]);
    if (!network) continue;
    for (size_t j = 0; j < all.size(); ++j) {
      if (same_address(*network, all[j].first)) {
        problems.add(address_path, absl::StrCat("address ", addresses[i], " is taken by ", all[j].second));
      } else if (j < others && overlap(*network, all[j].first)) {
        problems.add(address_path, absl::StrCat("network of ", addresses[i], " overlaps that of ", all[j].second));
      } else {
        continue;
      }
      break;
    }
    all.emplace_back(*network, address_path);
  }
}

void check_interfaces(const v1::Config& config, Problems& problems) {
  Unique names(problems, "name");
  Unique devices(problems, "device");
  Unique macs(problems, "MAC address");
  std::vector<std::pair<Network, std::string>> addresses;
  int ports = 0;
  for (int i = 0; i < config.interfaces_size(); ++i) {
    const v1::Interface& interface = config.interfaces(i);
    const std::string path = absl::StrCat("interfaces[", i, "]");
    names.add(interface.name(), path + ".name");
    devices.add(interface.device(), path + ".device");
    macs.add(absl::AsciiStrToLower(interface.virtual_mac()), path + ".virtual_mac");
    if (interface.device() == config.sync().interface()) {
      problems.add(path + ".device", absl::StrCat(interface.device(), " is the sync network's device"));
    }
    check_addresses(interface.virtual_addresses(), path, addresses, problems);
    Unique vlan_ids(problems, "VLAN");
    for (int j = 0; j < interface.vlans_size(); ++j) {
      const v1::Vlan& vlan = interface.vlans(j);
      const std::string vlan_path = absl::StrCat(path, ".vlans[", j, "]");
      vlan_ids.add(absl::StrCat(vlan.id()), vlan_path + ".id");
      names.add(vlan.name(), vlan_path + ".name");
      check_addresses(vlan.virtual_addresses(), vlan_path, addresses, problems);
    }
    ports += 1 + interface.vlans_size();
  }
  if (ports > kPortsMax) {
    problems.add("interfaces", absl::StrCat("has ", ports, " interfaces and VLANs, ", kPortsMax, " at most"));
  }
}

void check_rule(const v1::Rule& rule, const std::string& path, const Places& places, Problems& problems) {
  places.check(rule.from(), path + ".from", problems);
  places.check(rule.to(), path + ".to", problems);
  check_ports_fit(rule.protocol(), rule.source_ports_size(), path, "source_ports", problems);
  check_ports_fit(rule.protocol(), rule.destination_ports_size(), path, "destination_ports", problems);
  if (rule.icmp_types_size() > 0 && rule.protocol() != v1::PROTOCOL_ICMP && rule.protocol() != v1::PROTOCOL_ICMPV6) {
    problems.add(path + ".icmp_types", "needs protocol ICMP or ICMPV6");
  }
  if (rule.protocol() == v1::PROTOCOL_OTHER) problems.add(path + ".protocol", "OTHER is not for rules");
  check_families(rule.source(), rule.destination(), path + ".destination", problems);
}

// A card that is not used has been forgotten, or meant to be: either way somebody should look.
void check_engine(const v1::Engine& engine, Problems& problems) {
  const bool wants = engine.kind() == v1::ENGINE_KIND_CARD;
  if (wants && !engine.has_card()) problems.add("engine.card", "is missing: engine.kind is CARD");
  if (!wants && engine.has_card()) problems.add("engine.card", "goes with engine.kind CARD only");
  if (!engine.has_card()) return;
  const v1::Card& card = engine.card();
  const bool emulated = card.device() == "emulated";
  if (emulated && card.emulation().empty()) problems.add("engine.card.emulation", "is missing: device is emulated");
  if (!emulated && !card.emulation().empty()) problems.add("engine.card.emulation", "goes with device emulated only");
  if (card.trusted_keys().empty() && !card.allow_unsigned()) {
    problems.add("engine.card.trusted_keys",
                 "is missing: without it no bitstream can be loaded; or set allow_unsigned");
  }
}

}  // namespace

Places::Places(const v1::Config& config) {
  const auto add = [this](const std::string& name) {
    if (names_.insert(name).second) list_.push_back(name);
  };
  for (const v1::Interface& interface : config.interfaces()) {
    add(interface.name());
    add(interface.zone());
    for (const v1::Vlan& vlan : interface.vlans()) {
      add(vlan.name());
      add(vlan.zone());
    }
  }
}

void Places::check(const google::protobuf::RepeatedPtrField<std::string>& used, const std::string& path,
                   Problems& problems) const {
  for (int i = 0; i < used.size(); ++i) {
    if (names_.contains(used[i])) continue;
    problems.add(absl::StrCat(path, "[", i, "]"),
                 absl::StrCat("no interface or zone is named ", used[i], suggestion(used[i], list_)));
  }
}

void check_ports_fit(v1::Protocol protocol, int ports, const std::string& path, absl::string_view field,
                     Problems& problems) {
  const bool has_ports = protocol == v1::PROTOCOL_TCP || protocol == v1::PROTOCOL_UDP || protocol == v1::PROTOCOL_SCTP;
  if (ports > 0 && !has_ports) problems.add(join_path(path, field), "needs protocol TCP, UDP or SCTP");
}

void check_families(const google::protobuf::RepeatedPtrField<std::string>& x,
                    const google::protobuf::RepeatedPtrField<std::string>& y, const std::string& path,
                    Problems& problems) {
  std::set<int> families;
  for (const std::string& text : x) {
    if (const auto prefix = parse_prefix_or_address(text)) families.insert(prefix->family);
  }
  if (families.empty() || y.empty()) return;
  for (const std::string& text : y) {
    const auto prefix = parse_prefix_or_address(text);
    if (prefix && families.contains(prefix->family)) return;
  }
  problems.add(path, "is of another IP version than source: nothing can fit");
}

void check_references(const v1::Config& config, Problems& problems) {
  check_members(config, problems);
  check_management(config, problems);
  check_interfaces(config, problems);
  const Places places(config);
  Unique names(problems, "name");
  for (int i = 0; i < config.policy().rules_size(); ++i) {
    const std::string path = absl::StrCat("policy.rules[", i, "]");
    names.add(config.policy().rules(i).name(), path + ".name");
    check_rule(config.policy().rules(i), path, places, problems);
  }
  Unique nat_names(problems, "name");
  for (int i = 0; i < config.nat().rules_size(); ++i) {
    nat_names.add(config.nat().rules(i).name(), absl::StrCat("nat.rules[", i, "].name"));
  }
  check_engine(config.engine(), problems);
  if (config.sessions().half_open_max() > config.sessions().max()) {
    problems.add("sessions.half_open_max", absl::StrCat("is more than sessions.max, ", config.sessions().max()));
  }
}

}  // namespace phalanx::mgmt
