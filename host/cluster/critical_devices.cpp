#include "host/cluster/critical_devices.hpp"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"

namespace phalanx::cluster {

std::string_view to_string(DeviceStatus status) {
  switch (status) {
#define X(name, text)      \
  case DeviceStatus::name: \
    return text;
    PHALANX_DEVICE_STATUS(X)
#undef X
  }
  return "?";
}

std::string_view to_string(BuiltInDevice device) {
  switch (device) {
#define X(name, text, start) \
  case BuiltInDevice::name:  \
    return text;
    PHALANX_BUILT_IN_DEVICES(X)
#undef X
  }
  return "?";
}

// The built-in ones come first, in the table's order: BuiltInDevice is their index.
CriticalDevices::CriticalDevices() {
#define X(name, text, start) devices_.push_back({text, DeviceStatus::start, 0, 0, true, false});
  PHALANX_BUILT_IN_DEVICES(X)
#undef X
}

CriticalDevice* CriticalDevices::find(std::string_view name) {
  const auto it = std::find_if(devices_.begin(), devices_.end(), [&](const auto& d) { return d.name == name; });
  return it == devices_.end() ? nullptr : &*it;
}

absl::Status CriticalDevices::add(std::string_view name, DeviceStatus status, int64_t timeout_ns, int64_t now_ns) {
  if (name.empty() || name.size() > kDeviceNameMax) {
    return absl::InvalidArgumentError(absl::StrCat("critical device name: 1 to ", kDeviceNameMax, " characters"));
  }
  if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f; })) {
    return absl::InvalidArgumentError("critical device name: printable ASCII only");
  }
  if (timeout_ns < 0) return absl::InvalidArgumentError("critical device timeout: not negative");
  if (find(name) != nullptr) return absl::AlreadyExistsError(absl::StrCat("critical device ", std::string(name)));
  if (devices_.size() >= kDevicesMax) {
    return absl::ResourceExhaustedError(absl::StrCat("no more than ", kDevicesMax, " critical devices"));
  }
  devices_.push_back({std::string(name), status, timeout_ns, now_ns, false, false});
  return absl::OkStatus();
}

absl::Status CriticalDevices::remove(std::string_view name) {
  const CriticalDevice* device = find(name);
  if (device == nullptr) return absl::NotFoundError(absl::StrCat("no critical device ", std::string(name)));
  if (device->built_in)
    return absl::FailedPreconditionError(absl::StrCat("critical device ", std::string(name), " is built in"));
  devices_.erase(devices_.begin() + (device - devices_.data()));
  return absl::OkStatus();
}

absl::Status CriticalDevices::report(std::string_view name, DeviceStatus status, int64_t now_ns) {
  CriticalDevice* device = find(name);
  if (device == nullptr) return absl::NotFoundError(absl::StrCat("no critical device ", std::string(name)));
  device->status = status;
  device->reported_ns = now_ns;
  device->timed_out = false;
  return absl::OkStatus();
}

void CriticalDevices::report(BuiltInDevice device, DeviceStatus status, int64_t now_ns) {
  CriticalDevice& d = devices_[static_cast<size_t>(device)];
  assert(d.built_in && d.name == to_string(device));
  d.status = status;
  d.reported_ns = now_ns;
}

int64_t CriticalDevices::expire(int64_t now_ns) {
  int64_t next = INT64_MAX;
  for (CriticalDevice& d : devices_) {
    if (d.timeout_ns == 0 || d.timed_out) continue;
    // Subtraction, not addition: a timeout of years must not overflow.
    const int64_t age_ns = now_ns - d.reported_ns;
    if (age_ns >= d.timeout_ns) {
      d.timed_out = true;
    } else {
      const int64_t left_ns = d.timeout_ns - age_ns;
      next = std::min(next, left_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + left_ns);
    }
  }
  return next;
}

DeviceStatus CriticalDevices::status(BuiltInDevice device) const {
  return devices_[static_cast<size_t>(device)].effective();
}

uint8_t CriticalDevices::problems() const {
  const auto n = std::count_if(devices_.begin(), devices_.end(),
                               [](const auto& d) { return d.effective() == DeviceStatus::kProblem; });
  return static_cast<uint8_t>(std::min<int64_t>(n, 255));
}

std::string_view CriticalDevices::first_problem() const {
  for (const CriticalDevice& d : devices_) {
    if (d.effective() == DeviceStatus::kProblem) return d.name;
  }
  return "";
}

}  // namespace phalanx::cluster
