// Critical devices: the things a member needs to be a full member. One that reports a problem, or nothing in time,
// makes the member less fit than a member without a problem.
#ifndef PHALANX_HOST_CLUSTER_CRITICAL_DEVICES_HPP
#define PHALANX_HOST_CLUSTER_CRITICAL_DEVICES_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace phalanx::cluster {

// X(name, text)
#define PHALANX_DEVICE_STATUS(X) X(kOk, "ok") X(kInit, "init") X(kProblem, "problem")
enum class DeviceStatus : uint8_t {
#define X(name, text) name,
  PHALANX_DEVICE_STATUS(X)
#undef X
};
std::string_view to_string(DeviceStatus status);

// Built in. X(name, text, status at start). Timeouts are 0: the state machine or its caller reports each change.
#define PHALANX_BUILT_IN_DEVICES(X)                       \
  X(kInterfaceActiveCheck, "Interface Active Check", kOk) \
  X(kSyncNetwork, "Sync Network", kOk)                    \
  X(kFullSync, "Full Sync", kInit)                        \
  X(kWorker, "Worker", kOk)                               \
  X(kPolicy, "Policy", kOk)                               \
  X(kCard, "Card", kOk)                                   \
  X(kAdminDown, "admin_down", kOk)
enum class BuiltInDevice : uint8_t {
#define X(name, text, start) name,
  PHALANX_BUILT_IN_DEVICES(X)
#undef X
};
std::string_view to_string(BuiltInDevice device);

inline constexpr size_t kDeviceNameMax = 31;
inline constexpr size_t kDevicesMax = 64;  // built-in ones and operators' own; more is a mistake, not a configuration

struct CriticalDevice {
  std::string name;
  DeviceStatus status = DeviceStatus::kInit;  // as reported
  int64_t timeout_ns = 0;                     // 0 = never times out
  int64_t reported_ns = 0;
  bool built_in = false;
  bool timed_out = false;
  DeviceStatus effective() const { return timed_out ? DeviceStatus::kProblem : status; }
};

class CriticalDevices {
 public:
  CriticalDevices();

  // InvalidArgument: name empty, too long or not printable, timeout negative. AlreadyExists. ResourceExhausted.
  absl::Status add(std::string_view name, DeviceStatus status, int64_t timeout_ns, int64_t now_ns);
  // NotFound; FailedPrecondition for a built-in one.
  absl::Status remove(std::string_view name);
  absl::Status report(std::string_view name, DeviceStatus status, int64_t now_ns);  // NotFound
  void report(BuiltInDevice device, DeviceStatus status, int64_t now_ns);

  // Marks what did not report in time. Returns the time at which the next one would time out (INT64_MAX: none).
  int64_t expire(int64_t now_ns);

  DeviceStatus status(BuiltInDevice device) const;
  uint8_t problems() const;  // how many report a problem; 255 at most
  // First problem in table order, for log lines; "" if none.
  std::string_view first_problem() const;
  const std::vector<CriticalDevice>& list() const { return devices_; }

 private:
  CriticalDevice* find(std::string_view name);
  std::vector<CriticalDevice> devices_;
};

}  // namespace phalanx::cluster

#endif
