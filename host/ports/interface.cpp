#include "host/ports/interface.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "host/ports/fd.hpp"

namespace phalanx {
namespace {

absl::StatusOr<ifreq> request_for(const std::string& name) {
  ifreq request = {};
  if (name.empty() || name.size() >= sizeof request.ifr_name) {
    return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no interface name"));
  }
  std::memcpy(request.ifr_name, name.data(), name.size());
  return request;
}

absl::Status ask(int fd, unsigned long what, ifreq& request) {
  if (ioctl(fd, what, &request) == 0) return absl::OkStatus();
  const int error = errno;
  if (error == ENODEV) return absl::NotFoundError(absl::StrCat("no interface \"", request.ifr_name, "\""));
  return errno_status(error, request.ifr_name);
}

struct Offload {
  const char* name;
  uint32_t set;
  uint32_t get;
};
constexpr Offload kOffloads[] = {
    {"gro", ETHTOOL_SGRO, ETHTOOL_GGRO}, {"gso", ETHTOOL_SGSO, ETHTOOL_GGSO}, {"tso", ETHTOOL_STSO, ETHTOOL_GTSO}};

// Whether the offload is on now.
bool ensure(int fd, ifreq request, const Offload& offload) {
  ethtool_value value = {offload.get, 0};
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (ioctl(fd, SIOCETHTOOL, &request) == 0 && value.data != 0) return true;
  value = {offload.set, 1};
  if (ioctl(fd, SIOCETHTOOL, &request) != 0) return false;
  // Drivers may accept and ignore.
  value = {offload.get, 0};
  return ioctl(fd, SIOCETHTOOL, &request) == 0 && value.data != 0;
}

absl::StatusOr<UniqueFd> control_socket() {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_status(errno, "socket");
  return fd;
}

}  // namespace

absl::StatusOr<InterfaceInfo> query_interface(const std::string& name) {
  absl::StatusOr<ifreq> request = request_for(name);
  if (!request.ok()) return request.status();
  const absl::StatusOr<UniqueFd> fd = control_socket();
  if (!fd.ok()) return fd.status();

  InterfaceInfo info;
  if (absl::Status s = ask(fd->get(), SIOCGIFINDEX, *request); !s.ok()) return s;
  info.index = request->ifr_ifindex;
  if (absl::Status s = ask(fd->get(), SIOCGIFHWADDR, *request); !s.ok()) return s;
  std::memcpy(info.mac.data(), request->ifr_hwaddr.sa_data, info.mac.size());
  if (absl::Status s = ask(fd->get(), SIOCGIFMTU, *request); !s.ok()) return s;
  info.mtu = static_cast<uint32_t>(request->ifr_mtu);
  if (absl::Status s = ask(fd->get(), SIOCGIFFLAGS, *request); !s.ok()) return s;
  info.up = (request->ifr_flags & IFF_UP) != 0;
  info.carrier = info.up && (request->ifr_flags & IFF_RUNNING) != 0;
  return info;
}

absl::Status ensure_offloads(const std::string& name) {
  const absl::StatusOr<InterfaceInfo> info = query_interface(name);
  if (!info.ok()) return info.status();
  const absl::StatusOr<ifreq> request = request_for(name);
  const absl::StatusOr<UniqueFd> fd = control_socket();
  if (!fd.ok()) return fd.status();

  std::string refused;
  for (const Offload& offload : kOffloads) {
    if (!ensure(fd->get(), *request, offload)) absl::StrAppend(&refused, refused.empty() ? "" : ", ", offload.name);
  }
  if (refused.empty()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(name, ": offloads not switched on: ", refused));
}

}  // namespace phalanx
