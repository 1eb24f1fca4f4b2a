#include "drivers/emulator/device_model.hpp"

#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace phalanx::emulator {
namespace {

// Delays of up to 10 s are allowed; the host waits for the answer meanwhile, as it does for slow DMA.
void delay(const FaultSwitches& faults, Fault fault) {
  if (const auto delay_us = faults.get(fault); delay_us != 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
  }
}

absl::StatusOr<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(absl::StrCat(path, " can't be read"));
  }
  return text;
}

std::string refused(absl::string_view reason) { return absl::StrCat("error ", reason); }

}  // namespace

DeviceModel::~DeviceModel() { unload(); }

std::string DeviceModel::serve(std::uint32_t method, absl::string_view message) {
  auto reply = [&]() -> absl::StatusOr<Reply> {
    const auto request = decode_request(method, message);
    return request.ok() ? carry_out(*request) : request.status();
  }();
  if (!reply.ok()) {
    ++card_.counters.requests_refused;
    card_.log.line(absl::StrCat("refused: ", method, " (", method_name(method), "): ", reply.status().message()));
    return encode_refusal(method);
  }
  return encode_reply(static_cast<Method>(method), *reply);
}

absl::StatusOr<Reply> DeviceModel::carry_out(const Request& request) {
  absl::Status status;
  switch (request.method) {
    case Method::close:
      closed_ = request.close_all;
      break;
    case Method::load_bitstream:
      status = load(request);
      break;
    case Method::alloc_device_buffer:
      status = card_.memory.allocate(request.address, request.size);
      break;
    case Method::free_device_buffer:
      status = card_.memory.free(request.address);
      break;
    case Method::copy_host_to_device:
    case Method::copy_device_to_host:
      return transfer(request);
    case Method::write_kernel_control:
    case Method::read_kernel_control:
    case Method::register_write:
    case Method::register_read:
      return registers(request);
    case Method::copy_buffer:
    case Method::import_buffer:
    case Method::copy_buffer_from_file:
      return Reply{};  // no: XRT then copies through the host
    case Method::setup_instance:
    case Method::get_debug_messages:
      break;
  }
  if (!status.ok()) {
    return status;
  }
  return Reply{true, 0, {}};
}

absl::StatusOr<Reply> DeviceModel::transfer(const Request& request) {
  ++card_.counters.transfers;
  delay(faults_, Fault::slow_transfer_us);
  absl::Status status;
  Reply reply{true, request.size, {}};
  if (faults_.get(Fault::dma_error) != 0) {
    status = absl::DataLossError("DMA error, as told");
  } else if (request.method == Method::copy_host_to_device) {
    if (faults_.get(Fault::push_lost) == 0) status = card_.memory.write(request.address, request.data);
  } else {
    auto data = card_.memory.read(request.address, request.size);
    status = data.status();
    if (data.ok()) {
      reply.data = *std::move(data);
    }
  }
  if (!status.ok()) {
    ++card_.counters.transfers_refused;
    return status;
  }
  return reply;
}

absl::StatusOr<Reply> DeviceModel::registers(const Request& request) {
  auto unit = units_.upper_bound(request.address);
  if (unit == units_.begin() || request.address - std::prev(unit)->first >= std::prev(unit)->second->range()) {
    return absl::NotFoundError(absl::StrCat("registers at ", absl::Hex(request.address), ": no kernel has them"));
  }
  auto& found = *std::prev(unit)->second;
  const auto offset = request.address - found.base();
  if (request.method == Method::write_kernel_control || request.method == Method::register_write) {
    if (auto status = found.write(offset, request.data); !status.ok()) {
      return status;
    }
    return Reply{true, request.size, {}};
  }
  auto data = found.read(offset, request.size);
  if (!data.ok()) {
    return data.status();
  }
  return Reply{true, request.size, *std::move(data)};
}

absl::Status DeviceModel::load(const Request& request) {
  if (auto status = card_.memory.set_banks(request.banks); !status.ok()) {
    return status;
  }
  if (request.metadata_path.empty() && request.object_path.empty()) {
    return absl::OkStatus();  // a buffer is wanted before any bitstream
  }
  const auto metadata = read_file(std::string(request.metadata_path));
  if (!metadata.ok()) {
    return metadata.status();
  }
  const auto kernels = parse_kernel_metadata(*metadata);
  if (!kernels.ok()) {
    return kernels.status();
  }
  void* object = dlopen(std::string(request.object_path).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("bitstream: ", dlerror()));
  }
  unload();
  if (auto status = start_kernels(*kernels, object); !status.ok()) {
    unload();
    return status;
  }
  ++card_.counters.loads;
  card_.log.line(absl::StrCat("loaded ", kernels->size(), " kernels, ", units_.size(), " compute units"));
  return absl::OkStatus();
}

absl::Status DeviceModel::start_kernels(const std::vector<Kernel>& kernels, void* object) {
  object_ = object;
  for (const auto& kernel : kernels) {
    const auto symbol = absl::StrCat("phalanx_call_", kernel.name);
    const auto call = reinterpret_cast<KernelCall>(dlsym(object, symbol.c_str()));
    if (call == nullptr) {
      return absl::NotFoundError(absl::StrCat("bitstream: ", symbol, " is missing"));
    }
    for (const auto& instance : kernel.instances) {
      const auto unit = std::make_shared<ComputeUnit>(card_, kernel, instance, call);
      unit->start();
      units_.emplace(instance.base, unit);
    }
  }
  return absl::OkStatus();
}

void DeviceModel::unload() {
  bool all_stopped = true;
  for (auto& [base, unit] : units_) {
    if (!unit->stop(kStopTimeoutMs)) {
      all_stopped = false;
      card_.log.line(absl::StrCat(unit->name(), ": does not stop; its thread is left behind"));
    }
  }
  units_.clear();
  if (object_ != nullptr && all_stopped) {
    dlclose(object_);  // else the code that a thread is in must stay
  }
  object_ = nullptr;
}

std::string DeviceModel::command(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  if (words.size() == 3 && words[0] == "fault") {
    for (std::size_t i = 0; i < kFaults; ++i) {
      const auto fault = static_cast<Fault>(i);
      if (words[1] != kFaultNames[i]) {
        continue;
      }
      if (!absl::SimpleAtoi(words[2], &second) || second > fault_max(fault)) {
        return refused(absl::StrCat("fault ", words[1], ": ", words[2], " is not 0 to ", fault_max(fault)));
      }
      card_.log.line(line);
      if (fault == Fault::crash && second == 1) {
        kill(getpid(), SIGKILL);
      }
      faults_.set(fault, second);
      return "ok";
    }
    return refused(absl::StrCat("fault ", words[1], " is not known"));
  }
  if (words.size() == 3 && words[0] == "flip") {
    if (!absl::SimpleAtoi(words[1], &first) || !absl::SimpleAtoi(words[2], &second) || second > 7) {
      return refused("flip: not an address and a bit 0 to 7");
    }
    const auto status = card_.memory.flip(first, static_cast<unsigned>(second));
    card_.log.line(line);
    return status.ok() ? "ok" : refused(status.message());
  }
  if (words.size() == 1 && words[0] == "status") {
    std::string answer = "ok";
#define PHALANX_CARD_COUNTER(name) absl::StrAppend(&answer, " " #name "=", card_.counters.name.load());
    PHALANX_CARD_COUNTERS(PHALANX_CARD_COUNTER)
#undef PHALANX_CARD_COUNTER
    return answer;
  }
  if (words.size() == 1 && words[0] == "buffers") {
    std::string answer = "ok";
    for (const auto& [address, size] : card_.memory.buffers()) {
      absl::StrAppend(&answer, " ", address, ":", size);
    }
    return answer;
  }
  return refused("the commands are: fault NAME VALUE, flip ADDRESS BIT, status, buffers");
}

}  // namespace phalanx::emulator
