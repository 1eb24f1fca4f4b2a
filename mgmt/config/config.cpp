#include "mgmt/config/config.hpp"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mgmt/config/problems.hpp"
#include "mgmt/config/rules.hpp"
#include "mgmt/config/yaml_reader.hpp"

namespace phalanx::mgmt {
namespace {

struct ProfileTimers {
  v1::Profile profile;
  uint32_t report_interval_ms;
  uint32_t dead_after_ms;
};
constexpr ProfileTimers kProfiles[] = {{v1::PROFILE_FAST, 10, 30}, {v1::PROFILE_CLUSTERXL, 100, 700}};

constexpr int kManagementPort = 8117;

void fill_cluster(v1::ClusterConfig& cluster) {
  for (const ProfileTimers& timers : kProfiles) {
    if (cluster.profile() != timers.profile) continue;
    if (!cluster.has_report_interval_ms()) cluster.set_report_interval_ms(timers.report_interval_ms);
    if (!cluster.has_dead_after_ms()) cluster.set_dead_after_ms(timers.dead_after_ms);
  }
  for (v1::Member& member : *cluster.mutable_members()) {
    if (member.has_management_address() || !member.has_sync_address()) continue;
    const bool v6 = member.sync_address().find(':') != std::string::npos;
    member.set_management_address(v6 ? absl::StrCat("[", member.sync_address(), "]:", kManagementPort)
                                     : absl::StrCat(member.sync_address(), ":", kManagementPort));
  }
}

void check_timers(const v1::ClusterConfig& cluster, Problems& problems) {
  for (const ProfileTimers& timers : kProfiles) {
    if (cluster.profile() != timers.profile) continue;
    if (cluster.report_interval_ms() != timers.report_interval_ms) {
      problems.add("cluster.report_interval_ms", "is the profile's; to set it, use profile CUSTOM");
    }
    if (cluster.dead_after_ms() != timers.dead_after_ms) {
      problems.add("cluster.dead_after_ms", "is the profile's; to set it, use profile CUSTOM");
    }
    return;
  }
  if (!cluster.has_report_interval_ms()) problems.add("cluster.report_interval_ms", "is required by profile CUSTOM");
  if (!cluster.has_dead_after_ms()) problems.add("cluster.dead_after_ms", "is required by profile CUSTOM");
  if (cluster.has_report_interval_ms() && cluster.has_dead_after_ms() &&
      cluster.dead_after_ms() < 3 * cluster.report_interval_ms()) {
    problems.add("cluster.dead_after_ms", absl::StrCat(cluster.dead_after_ms(), " is less than 3 report intervals of ",
                                                       cluster.report_interval_ms(), " ms"));
  }
}

// A file's name as seen from the folder of the configuration file.
void resolve(std::string* name, absl::string_view folder) {
  if (!name->empty() && name->front() != '/' && !folder.empty()) *name = absl::StrCat(folder, "/", *name);
}

void resolve_files(v1::Config& config, const std::string& filename) {
  const size_t slash = filename.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : filename.substr(0, slash == 0 ? 1 : slash);
  if (config.cluster().has_key_file()) resolve(config.mutable_cluster()->mutable_key_file(), folder);
  if (!config.management().has_tls()) return;
  v1::Tls& tls = *config.mutable_management()->mutable_tls();
  resolve(tls.mutable_ca_file(), folder);
  resolve(tls.mutable_certificate_file(), folder);
  resolve(tls.mutable_key_file(), folder);
}

void check_all(const v1::Config& config, Problems& problems) {
  check_timers(config.cluster(), problems);
  check_references(config, problems);
  check_nat(config, problems);
}

}  // namespace

const v1::Member* own_member(const v1::Config& config) {
  for (const v1::Member& member : config.cluster().members()) {
    if (member.id() == config.member().id()) return &member;
  }
  return nullptr;
}

void fill_defaults(v1::Config& config) {
  fill_field_defaults(config);
  fill_cluster(*config.mutable_cluster());
  const v1::Member* own = own_member(config);
  if (config.management().listen().empty() && own != nullptr) {
    config.mutable_management()->add_listen(own->management_address());
  }
  for (int i = 0; i < config.interfaces_size(); ++i) {
    v1::Interface& interface = *config.mutable_interfaces(i);
    if (interface.has_virtual_mac()) continue;
    interface.set_virtual_mac(absl::StrFormat("02:50:48:%02x:00:%02x", config.cluster().id() & 0xff, (i + 1) & 0xff));
  }
}

absl::Status validate(const v1::Config& config) {
  Problems problems("");
  check_rules(config, "", problems);
  if (problems.empty()) check_all(config, problems);
  return problems.status();
}

absl::StatusOr<v1::Config> parse_config(std::string_view text, std::string_view filename) {
  Problems problems{std::string(filename)};
  if (text.size() > kConfigBytesMax) {
    problems.add("", absl::StrCat("the file is larger than ", kConfigBytesMax, " bytes"));
    return problems.status();
  }
  v1::Config config;
  read_yaml(absl::string_view(text.data(), text.size()), config, problems);
  if (!problems.has("")) check_rules(config, "", problems);  // a text that is no mapping lacks everything
  if (!problems.empty()) return problems.status();
  fill_defaults(config);
  check_all(config, problems);
  if (!problems.empty()) return problems.status();
  resolve_files(config, std::string(filename));
  return config;
}

absl::StatusOr<v1::Config> load_config(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::ErrnoToStatus(errno == 0 ? EIO : errno, path);
  std::string text(kConfigBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.fail() && !file.eof())) return absl::ErrnoToStatus(EIO, path);
  text.resize(static_cast<size_t>(file.gcount()));
  return parse_config(text, path);
}

}  // namespace phalanx::mgmt
