#include "drivers/opencl/opencl_device.hpp"

#define CL_HPP_ENABLE_EXCEPTIONS
#define CL_HPP_TARGET_OPENCL_VERSION 120
#define CL_HPP_MINIMUM_OPENCL_VERSION 120
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl_ext_xilinx.h>

#include <CL/opencl.hpp>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

namespace phalanx {
namespace {

using card_driver::Buffer;
using card_driver::Device;
using card_driver::DeviceIdentity;
using card_driver::Kernel;
using card_driver::Place;
using card_driver::Run;
using card_driver::Sensor;

// Of host memory that the card's DMA reads and writes: a page.
constexpr size_t kHostAlignment = 4096;

// OpenCL's border: what `function` throws becomes a Status with the call's name.
template <typename Function>
absl::Status call(absl::string_view name, Function&& function) {
  try {
    function();
    return absl::OkStatus();
  } catch (const cl::Error& e) {
    return absl::UnavailableError(absl::StrCat(name, ": ", e.what(), " gave error ", e.err()));
  } catch (const std::exception& e) {
    return absl::UnavailableError(absl::StrCat(name, ": ", e.what()));
  } catch (...) {
    return absl::UnavailableError(absl::StrCat(name, ": an exception of no known type"));
  }
}

// CL_MEM_EXT_PTR_XILINX is bit 31 of an int: the upper half must not be filled with its sign.
constexpr cl_mem_flags kBankChosen = static_cast<uint32_t>(CL_MEM_EXT_PTR_XILINX);

struct FreeDeleter {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using HostMemory = std::unique_ptr<std::byte[], FreeDeleter>;

class OpenClBuffer final : public Buffer {
 public:
  OpenClBuffer(cl::CommandQueue queue, cl::Buffer buffer, size_t bytes, HostMemory host)
      : queue_(std::move(queue)), buffer_(std::move(buffer)), bytes_(bytes), host_(std::move(host)) {}
  size_t bytes() const override { return bytes_; }
  absl::Span<std::byte> host() override { return absl::MakeSpan(host_.get(), host_ ? bytes_ : 0); }
  absl::Status push(size_t offset, size_t count) override {
    if (auto status = check("clEnqueueWriteBuffer", offset, count); !status.ok()) return status;
    return call("clEnqueueWriteBuffer",
                [&] { queue_.enqueueWriteBuffer(buffer_, CL_TRUE, offset, count, host_.get() + offset); });
  }
  absl::Status pull(size_t offset, size_t count) override {
    if (auto status = check("clEnqueueReadBuffer", offset, count); !status.ok()) return status;
    return call("clEnqueueReadBuffer",
                [&] { queue_.enqueueReadBuffer(buffer_, CL_TRUE, offset, count, host_.get() + offset); });
  }
  const cl::Buffer& buffer() const { return buffer_; }

 private:
  absl::Status check(absl::string_view name, size_t offset, size_t count) {
    const size_t bytes = host().size();
    if (offset <= bytes && count <= bytes - offset) return absl::OkStatus();
    return absl::OutOfRangeError(
        absl::StrCat(name, ": bytes ", offset, " + ", count, " of a buffer with ", bytes, " on the host"));
  }

  cl::CommandQueue queue_;
  cl::Buffer buffer_;
  const size_t bytes_;
  HostMemory host_;
};

// How a run has ended, told by the runtime's thread: CL_COMPLETE or an error, kRunning until then. Asking the event
// instead takes the locks that this thread needs to say so.
using RunState = std::atomic<cl_int>;
constexpr cl_int kRunning = CL_QUEUED;

class OpenClRun final : public Run {
 public:
  OpenClRun(Kernel which, cl::Kernel kernel, cl::CommandQueue queue)
      : which_(which), kernel_(std::move(kernel)), queue_(std::move(queue)) {}
  absl::Status set_buffer(uint32_t argument, Buffer& buffer) override {
    return call("clSetKernelArg", [&] { kernel_.setArg(argument, static_cast<OpenClBuffer&>(buffer).buffer()); });
  }
  absl::Status set_scalar(uint32_t argument, uint64_t value) override {
    return call("clSetKernelArg",
                [&] { kernel_.setArg(argument, card_driver::scalar_bytes(which_, argument), &value); });
  }
  absl::Status start() override {
    state_->store(kRunning, std::memory_order_relaxed);
    // No clFlush: the Xilinx runtime starts a task when it is enqueued, and its clFlush waits for the task's end.
    auto status = call("clEnqueueTask", [&] { queue_.enqueueTask(kernel_, nullptr, &event_); });
    if (!status.ok()) return status;
    // The runtime's share of the state: it may say something when this run is gone. Lost if it never does, of a card
    // that hangs; the process is about to end then.
    auto told = std::make_unique<std::shared_ptr<RunState>>(state_);
    status = call("clSetEventCallback", [&] { event_.setCallback(CL_COMPLETE, ended, told.get()); });
    [[maybe_unused]] const auto* runtimes = status.ok() ? told.release() : nullptr;
    return status;
  }
  absl::StatusOr<bool> done() override {
    const cl_int state = state_->load(std::memory_order_acquire);
    if (state < 0) return absl::UnavailableError(absl::StrCat("clEnqueueTask: the run ended with error ", state));
    return state == CL_COMPLETE;
  }

 private:
  static void CL_CALLBACK ended(cl_event, cl_int state, void* told) {
    const std::unique_ptr<std::shared_ptr<RunState>> ours(static_cast<std::shared_ptr<RunState>*>(told));
    (*ours)->store(state, std::memory_order_release);
  }

  const Kernel which_;
  cl::Kernel kernel_;
  cl::CommandQueue queue_;
  cl::Event event_;
  const std::shared_ptr<RunState> state_ = std::make_shared<RunState>(kRunning);
};

class OpenClDevice final : public Device {
 public:
  OpenClDevice(cl::Context context, cl::CommandQueue queue, cl::Program program, DeviceIdentity identity,
               card_driver::LoadedBitstream bitstream)
      : context_(std::move(context)),
        queue_(std::move(queue)),
        program_(std::move(program)),
        identity_(std::move(identity)),
        bitstream_(std::move(bitstream)) {}

  const DeviceIdentity& identity() const override { return identity_; }
  uint32_t compute_units(Kernel kernel) const override {
    return static_cast<uint32_t>(bitstream_.instances_of(kernel).size());
  }
  // OpenCL does not say which bank an argument reaches; it refuses a buffer in another one at set_buffer.
  absl::StatusOr<std::unique_ptr<Buffer>> allocate(absl::Span<const Place> places, size_t bytes, Side side) override;
  absl::StatusOr<std::unique_ptr<Run>> make_run(Kernel kernel, uint32_t compute_unit) override {
    auto made = make_kernel(kernel, compute_unit);
    if (!made.ok()) return made.status();
    return std::make_unique<OpenClRun>(kernel, *std::move(made), queue_);
  }
  std::vector<Sensor> sensors() const override {
    return {{"sensors", "not on this card: OpenCL has no sensors; open it by XRT", false}};
  }

 private:
  absl::StatusOr<cl::Kernel> make_kernel(Kernel kernel, uint32_t compute_unit) {
    const auto& instances = bitstream_.instances_of(kernel);
    if (compute_unit >= instances.size()) {
      return absl::NotFoundError(absl::StrCat(card_driver::kernel_name(kernel), " has ", instances.size(),
                                              " compute units, number ", compute_unit, " was asked for"));
    }
    const std::string name = absl::StrCat(card_driver::kernel_name(kernel), ":{", instances[compute_unit], "}");
    cl::Kernel made;
    auto status = call(absl::StrCat("clCreateKernel ", name), [&] { made = cl::Kernel(program_, name.c_str()); });
    if (!status.ok()) return status;
    return made;
  }

  cl::Context context_;
  cl::CommandQueue queue_;
  cl::Program program_;
  const DeviceIdentity identity_;
  const card_driver::LoadedBitstream bitstream_;
};

absl::StatusOr<std::unique_ptr<Buffer>> OpenClDevice::allocate(absl::Span<const Place> places, size_t bytes,
                                                               Side side) {
  if (places.empty()) return absl::InvalidArgumentError("a buffer for no argument");
  auto kernel = make_kernel(places[0].kernel, places[0].compute_unit);
  if (!kernel.ok()) return kernel.status();
  HostMemory host;
  if (side == Side::kBoth) {
    const size_t whole = (bytes + kHostAlignment - 1) / kHostAlignment * kHostAlignment;
    host.reset(static_cast<std::byte*>(std::aligned_alloc(kHostAlignment, whole)));
    if (host == nullptr) return absl::ResourceExhaustedError(absl::StrCat("no ", bytes, " bytes of host memory"));
  }
  cl_mem_ext_ptr_t bank = {};
  bank.argidx = places[0].argument;
  bank.kernel = (*kernel)();
  // The driver's memory is the buffer's own on the host: with one of its own between, OpenCL hands out what an earlier
  // transfer left there when one fails.
  bank.host_ptr = host.get();
  const cl_mem_flags flags =
      CL_MEM_READ_WRITE | kBankChosen | (host == nullptr ? cl_mem_flags{0} : cl_mem_flags{CL_MEM_USE_HOST_PTR});
  std::unique_ptr<Buffer> buffer;
  auto status = call(absl::StrCat("a buffer of ", bytes, " bytes"), [&] {
    cl::Buffer made(context_, flags, bytes, &bank);
    // Xilinx's runtime moves nothing between a buffer's two sides until the buffer is resident on the card, which is
    // else so from the first run on that is given it: the table's state is read and written before that.
    const std::vector<cl::Memory> resident = {made};
    cl::Event moved;
    queue_.enqueueMigrateMemObjects(resident, CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED, nullptr, &moved);
    moved.wait();
    buffer = std::make_unique<OpenClBuffer>(queue_, std::move(made), bytes, std::move(host));
  });
  if (!status.ok()) return status;
  return buffer;
}

std::string bdf_of(const cl::Device& device) {
  char text[64] = {};
  const cl_int error = clGetDeviceInfo(device(), CL_DEVICE_PCIE_BDF, sizeof(text) - 1, text, nullptr);
  return error == CL_SUCCESS ? std::string(text) : std::string();
}

// The Xilinx card with that address or index.
absl::StatusOr<cl::Device> find_device(const std::string& wanted) {
  const bool by_index = wanted.find_first_not_of("0123456789") == std::string::npos;
  std::vector<cl::Device> cards;
  auto status = call("clGetDeviceIDs", [&] {
    std::vector<cl::Platform> platforms;
    cl::Platform::get(&platforms);
    for (const cl::Platform& platform : platforms) {
      if (platform.getInfo<CL_PLATFORM_NAME>().find("Xilinx") == std::string::npos) continue;
      std::vector<cl::Device> found;
      platform.getDevices(CL_DEVICE_TYPE_ACCELERATOR, &found);
      cards.insert(cards.end(), found.begin(), found.end());
    }
  });
  if (!status.ok()) return status;
  for (size_t i = 0; i < cards.size(); ++i) {
    if (by_index ? std::to_string(i) == wanted : bdf_of(cards[i]) == wanted) return cards[i];
  }
  return absl::NotFoundError(absl::StrCat("OpenCL has ", cards.size(), " Xilinx cards, none of them is ", wanted));
}

}  // namespace

absl::StatusOr<std::shared_ptr<card_driver::Device>> open_opencl_device(const std::string& device,
                                                                        const card_driver::LoadedBitstream& bitstream) {
  const auto mode = card_driver::check_environment(/*opencl=*/true);
  if (!mode.ok()) return mode.status();
  const auto found = find_device(device);
  if (!found.ok()) return found.status();
  std::shared_ptr<card_driver::Device> card;
  auto status = call("clCreateProgramWithBinary", [&] {
    cl::Context context(*found);
    cl::CommandQueue queue(context, *found, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    const auto* bytes = reinterpret_cast<const unsigned char*>(bitstream.xclbin.data());
    cl::Program::Binaries binaries;
    binaries.emplace_back(bytes, bytes + bitstream.xclbin.size());
    cl::Program program(context, {*found}, binaries);
    DeviceIdentity identity;
    identity.emulated = *mode != card_driver::CardMode::kReal;
    identity.runtime =
        absl::StrCat("opencl ", found->getInfo<CL_DEVICE_VERSION>(), " driver ", found->getInfo<CL_DRIVER_VERSION>());
    identity.name = found->getInfo<CL_DEVICE_NAME>();
    identity.bdf = bdf_of(*found);
    if (identity.bdf.empty()) identity.bdf = identity.emulated ? "emulated" : "unknown";
    identity.uuid = bitstream.uuid;
    card = std::make_shared<OpenClDevice>(std::move(context), std::move(queue), std::move(program), std::move(identity),
                                          bitstream);
  });
  if (!status.ok()) return status;
  return card;
}

}  // namespace phalanx
