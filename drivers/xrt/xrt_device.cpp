#include "drivers/xrt/xrt_device.hpp"

#include <version.h>

#include <cstring>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "experimental/xrt_system.h"
#include "xrt/xrt_bo.h"
#include "xrt/xrt_device.h"
#include "xrt/xrt_kernel.h"

namespace phalanx {
namespace {

using card_driver::Buffer;
using card_driver::Device;
using card_driver::DeviceIdentity;
using card_driver::Kernel;
using card_driver::Place;
using card_driver::Run;
using card_driver::Sensor;

using card_driver::kKernels;

// XRT's border: what `function` throws becomes a Status with the call's name.
template <typename Function>
absl::Status call(absl::string_view name, Function&& function) {
  try {
    function();
    return absl::OkStatus();
  } catch (const std::exception& e) {
    return absl::UnavailableError(absl::StrCat(name, ": ", e.what()));
  } catch (...) {
    return absl::UnavailableError(absl::StrCat(name, ": an exception of no known type"));
  }
}

class XrtBuffer final : public Buffer {
 public:
  XrtBuffer(xrt::bo bo, size_t bytes, absl::Span<std::byte> host) : bo_(std::move(bo)), bytes_(bytes), host_(host) {}
  size_t bytes() const override { return bytes_; }
  absl::Span<std::byte> host() override { return host_; }
  absl::Status push(size_t offset, size_t count) override {
    return transfer("xrt::bo::sync to the card", XCL_BO_SYNC_BO_TO_DEVICE, offset, count);
  }
  absl::Status pull(size_t offset, size_t count) override {
    return transfer("xrt::bo::sync from the card", XCL_BO_SYNC_BO_FROM_DEVICE, offset, count);
  }
  const xrt::bo& bo() const { return bo_; }

 private:
  absl::Status transfer(absl::string_view name, xclBOSyncDirection direction, size_t offset, size_t count) {
    if (offset > host_.size() || count > host_.size() - offset) {
      return absl::OutOfRangeError(
          absl::StrCat(name, ": bytes ", offset, " + ", count, " of a buffer with ", host_.size(), " on the host"));
    }
    return call(name, [&] { bo_.sync(direction, count, offset); });
  }

  xrt::bo bo_;
  const size_t bytes_;
  const absl::Span<std::byte> host_;
};

class XrtRun final : public Run {
 public:
  XrtRun(Kernel kernel, xrt::run run) : kernel_(kernel), run_(std::move(run)) {}
  absl::Status set_buffer(uint32_t argument, Buffer& buffer) override {
    return call("xrt::run::set_arg",
                [&] { run_.set_arg(static_cast<int>(argument), static_cast<XrtBuffer&>(buffer).bo()); });
  }
  absl::Status set_scalar(uint32_t argument, uint64_t value) override {
    // A narrower argument is the value's first bytes: hosts of these cards are little-endian.
    const void* bytes = &value;
    const size_t count = card_driver::scalar_bytes(kernel_, argument);
    return call("xrt::run::set_arg", [&] { run_.set_arg(static_cast<int>(argument), bytes, count); });
  }
  absl::Status start() override {
    return call("xrt::run::start", [&] { run_.start(); });
  }
  absl::StatusOr<bool> done() override {
    ert_cmd_state state = ERT_CMD_STATE_NEW;
    if (auto status = call("xrt::run::state", [&] { state = run_.state(); }); !status.ok()) return status;
    switch (state) {
      case ERT_CMD_STATE_COMPLETED:
        return true;
      case ERT_CMD_STATE_NEW:
      case ERT_CMD_STATE_QUEUED:
      case ERT_CMD_STATE_SUBMITTED:
      case ERT_CMD_STATE_RUNNING:
        return false;
      default:
        return absl::UnavailableError(absl::StrCat("xrt::run::state: the run ended in state ", state));
    }
  }

 private:
  const Kernel kernel_;
  xrt::run run_;
};

class XrtDevice final : public Device {
 public:
  XrtDevice(xrt::device device, DeviceIdentity identity) : device_(std::move(device)), identity_(std::move(identity)) {}

  absl::Status find_kernels(const xrt::uuid& uuid, const card_driver::LoadedBitstream& bitstream) {
    for (size_t k = 0; k < kKernels; ++k) {
      const auto kernel = static_cast<Kernel>(k);
      for (const std::string& instance : bitstream.instances_of(kernel)) {
        const std::string name = absl::StrCat(card_driver::kernel_name(kernel), ":{", instance, "}");
        auto status = call(absl::StrCat("xrt::kernel ", name), [&] {
          units_[k].emplace_back(device_, uuid, name, xrt::kernel::cu_access_mode::exclusive);
        });
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  const DeviceIdentity& identity() const override { return identity_; }
  uint32_t compute_units(Kernel kernel) const override {
    return static_cast<uint32_t>(units_[static_cast<size_t>(kernel)].size());
  }
  absl::StatusOr<std::unique_ptr<Buffer>> allocate(absl::Span<const Place> places, size_t bytes, Side side) override;
  absl::StatusOr<std::unique_ptr<Run>> make_run(Kernel kernel, uint32_t compute_unit) override {
    auto unit = find(kernel, compute_unit);
    if (!unit.ok()) return unit.status();
    std::unique_ptr<Run> run;
    auto status = call("xrt::run", [&] { run = std::make_unique<XrtRun>(kernel, xrt::run(**unit)); });
    if (!status.ok()) return status;
    return run;
  }
  std::vector<Sensor> sensors() const override;

 private:
  absl::StatusOr<xrt::kernel*> find(Kernel kernel, uint32_t compute_unit) {
    auto& units = units_[static_cast<size_t>(kernel)];
    if (compute_unit < units.size()) return &units[compute_unit];
    return absl::NotFoundError(absl::StrCat(card_driver::kernel_name(kernel), " has ", units.size(),
                                            " compute units, number ", compute_unit, " was asked for"));
  }
  absl::StatusOr<int> bank_of(absl::Span<const Place> places);

  xrt::device device_;
  const DeviceIdentity identity_;
  std::vector<xrt::kernel> units_[kKernels];
};

absl::StatusOr<int> XrtDevice::bank_of(absl::Span<const Place> places) {
  int bank = -1;
  for (const Place& p : places) {
    auto unit = find(p.kernel, p.compute_unit);
    if (!unit.ok()) return unit.status();
    int found = -1;
    auto status = call("xrt::kernel::group_id", [&] { found = (*unit)->group_id(static_cast<int>(p.argument)); });
    if (!status.ok()) return status;
    if (bank >= 0 && found != bank) {
      return absl::FailedPreconditionError(absl::StrCat("argument ", p.argument, " of ",
                                                        card_driver::kernel_name(p.kernel), " is in memory group ",
                                                        found, ", the same buffer's other argument in ", bank));
    }
    bank = found;
  }
  if (bank < 0) return absl::InvalidArgumentError("a buffer for no argument");
  return bank;
}

absl::StatusOr<std::unique_ptr<Buffer>> XrtDevice::allocate(absl::Span<const Place> places, size_t bytes, Side side) {
  const auto bank = bank_of(places);
  if (!bank.ok()) return bank.status();
  const auto flags =
      side == Side::kCardOnly && !identity_.emulated ? xrt::bo::flags::device_only : xrt::bo::flags::normal;
  std::unique_ptr<Buffer> buffer;
  auto status = call(absl::StrCat("xrt::bo of ", bytes, " bytes"), [&] {
    xrt::bo bo(device_, bytes, flags, static_cast<xrt::memory_group>(*bank));
    absl::Span<std::byte> host;
    if (side == Side::kBoth) host = absl::MakeSpan(bo.map<std::byte*>(), bytes);
    buffer = std::make_unique<XrtBuffer>(std::move(bo), bytes, host);
  });
  if (!status.ok()) return status;
  return buffer;
}

// X(sensor, what of xrt::info::device): each is a JSON text of the card's management.
#define PHALANX_XRT_SENSORS(X) X(thermal) X(electrical) X(mechanical) X(memory)

std::vector<Sensor> XrtDevice::sensors() const {
  std::vector<Sensor> sensors;
  const auto read = [&](absl::string_view name, auto&& get) {
    std::string value;
    const absl::Status status = call(name, [&] { value = get(); });
    const bool present = status.ok() && !value.empty();
    if (!status.ok()) value = absl::StrCat("not on this card: ", status.message());
    if (status.ok() && !present) value = "not on this card: no reading";
    sensors.push_back({std::string(name), value, present});
  };
#define PHALANX_READ(name) read(#name, [&] { return device_.get_info<xrt::info::device::name>(); });
  PHALANX_XRT_SENSORS(PHALANX_READ)
#undef PHALANX_READ
  return sensors;
}

absl::StatusOr<xrt::device> open(const std::string& device) {
  xrt::device opened;
  // An index is a number; anything else is a PCIe address.
  const bool index = !device.empty() && device.find_first_not_of("0123456789") == std::string::npos;
  auto status = call(absl::StrCat("xrt::device ", device), [&] {
    opened = index ? xrt::device(static_cast<unsigned>(std::stoul(device))) : xrt::device(device);
  });
  if (!status.ok()) return status;
  return opened;
}

DeviceIdentity identify(const xrt::device& device, bool emulated) {
  DeviceIdentity identity;
  identity.runtime = absl::StrCat("xrt ", xrt_build_version);
  identity.emulated = emulated;
  // A card that cannot say its name is used all the same.
  if (!call("name", [&] { identity.name = device.get_info<xrt::info::device::name>(); }).ok())
    identity.name = "unnamed";
  if (!call("bdf", [&] { identity.bdf = device.get_info<xrt::info::device::bdf>(); }).ok() || identity.bdf.empty()) {
    identity.bdf = emulated ? "emulated" : "unknown";
  }
  return identity;
}

}  // namespace

absl::StatusOr<std::shared_ptr<card_driver::Device>> open_xrt_device(const std::string& device,
                                                                     const card_driver::LoadedBitstream& bitstream) {
  const auto mode = card_driver::check_environment(/*opencl=*/false);
  if (!mode.ok()) return mode.status();
  auto opened = open(device);
  if (!opened.ok()) return opened.status();
  xrt::uuid uuid;
  auto status = call("xrt::device::load_xclbin",
                     [&] { uuid = opened->load_xclbin(reinterpret_cast<const axlf*>(bitstream.xclbin.data())); });
  if (!status.ok()) return status;
  DeviceIdentity identity = identify(*opened, *mode != card_driver::CardMode::kReal);
  identity.uuid = uuid.to_string();
  auto card = std::make_shared<XrtDevice>(*std::move(opened), std::move(identity));
  if (status = card->find_kernels(uuid, bitstream); !status.ok()) return status;
  return card;
}

}  // namespace phalanx
