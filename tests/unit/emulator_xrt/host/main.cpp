// A user of the emulated card through the genuine XRT or OpenCL: one case of tests/unit/emulator_xrt a process, because
// XRT ends its process when the card dies. Prints what it saw; 0 if all was as the case wants it.
//   emulator_xrt_host CASE INSTALLATION RUN_DIRECTORY XCLBIN
#define CL_HPP_TARGET_OPENCL_VERSION 120
#define CL_HPP_MINIMUM_OPENCL_VERSION 120
#define CL_HPP_ENABLE_EXCEPTIONS
#include <CL/opencl.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "drivers/emulator/card_control.hpp"
#include "drivers/emulator/environment.hpp"
#include "xrt/xrt_bo.h"
#include "xrt/xrt_device.h"
#include "xrt/xrt_kernel.h"

namespace {

using phalanx::emulator::CardControl;
using phalanx::emulator::Fault;

constexpr std::uint32_t kCount = 1000;
constexpr std::size_t kBytes = kCount * sizeof(std::uint32_t);

struct Failed : std::exception {
  explicit Failed(std::string reason) : reason_(std::move(reason)) {}
  const char* what() const noexcept override { return reason_.c_str(); }
  std::string reason_;
};

void want(bool holds, const std::string& what) {
  if (!holds) {
    throw Failed("not so: " + what);
  }
}

// XRT's scheduler still polls a run that never finishes when its objects are destroyed, and crashes: a process with
// such a run ends without destructors.
[[noreturn]] void end_with_run_in_flight(const char* name) {
  std::printf("%s: as wanted\n", name);
  std::fflush(stdout);
  std::_Exit(0);
}

// wait(timeout) does not time out in sw_emu: ask.
ert_cmd_state wait_for(const xrt::run& run, int timeout_ms) {
  auto state = run.state();
  for (int i = 0; i < timeout_ms && state != ERT_CMD_STATE_COMPLETED && state != ERT_CMD_STATE_ERROR; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    state = run.state();
  }
  return state;
}

// The card, loaded, with three buffers for add and its control.
struct Fixture {
  Fixture(const std::string& run_directory, const std::string& xclbin)
      : uuid(device.load_xclbin(xclbin)),
        add(device, uuid, "add"),
        a(device, kBytes, add.group_id(0)),
        b(device, kBytes, add.group_id(1)),
        sum(device, kBytes, add.group_id(2)),
        control(*CardControl::connect(run_directory)) {
    std::iota(values.begin(), values.end(), 7u);
    fill(a);
    fill(b);
  }
  void fill(xrt::bo& buffer) {
    buffer.write(values.data());
    buffer.sync(XCL_BO_SYNC_BO_TO_DEVICE);
  }
  std::vector<std::uint32_t> read(xrt::bo& buffer) {
    std::vector<std::uint32_t> got(kCount);
    buffer.sync(XCL_BO_SYNC_BO_FROM_DEVICE);
    buffer.read(got.data());
    return got;
  }
  bool sums_right() {
    const auto got = read(sum);
    for (std::uint32_t i = 0; i < kCount; ++i) {
      if (got[i] != 2 * values[i]) {
        return false;
      }
    }
    return true;
  }

  xrt::device device{0};
  xrt::uuid uuid;
  xrt::kernel add;
  xrt::bo a;
  xrt::bo b;
  xrt::bo sum;
  CardControl control;
  std::vector<std::uint32_t> values = std::vector<std::uint32_t>(kCount);
};

void run_adds(Fixture& card) {
  std::vector<xrt::run> runs;
  constexpr int kRuns = 32;
  for (int i = 0; i < kRuns; ++i) {  // in flight on two compute units
    runs.push_back(card.add(card.a, card.b, card.sum, kCount));
  }
  for (const auto& run : runs) {
    want(wait_for(run, 2000) == ERT_CMD_STATE_COMPLETED, "every run completes");
  }
  want(card.sums_right(), "the sums are right");
  const auto status = card.control.status();
  want(status.ok() && status->runs_done == kRuns && status->loads == 1, "32 runs counted, 1 load");
  want(status->requests_refused == 0, "nothing of a usual run is refused");
}

// A transfer of more than one packet of XRT's, which made Debian's shim corrupt its heap.
void large_transfer(Fixture& card) {
  constexpr std::size_t kLarge = 20u << 20;
  xrt::bo buffer(card.device, kLarge, card.add.group_id(0));
  auto* mapped = buffer.map<std::uint8_t*>();
  for (std::size_t i = 0; i < kLarge; ++i) {
    mapped[i] = static_cast<std::uint8_t>(i * 31 + (i >> 12));
  }
  const std::vector<std::uint8_t> expected(mapped, mapped + kLarge);
  buffer.sync(XCL_BO_SYNC_BO_TO_DEVICE);
  std::memset(mapped, 0, kLarge);
  buffer.sync(XCL_BO_SYNC_BO_FROM_DEVICE);
  want(std::memcmp(mapped, expected.data(), kLarge) == 0, "20 MiB come back as they went");
}

void run_hang(Fixture& card) {
  want(card.control.set(Fault::hang, 1).ok(), "hang is switched on");
  auto run = card.add(card.a, card.b, card.sum, kCount);
  want(wait_for(run, 300) != ERT_CMD_STATE_COMPLETED, "a hanging kernel does not complete");
  const auto status = card.control.status();
  want(status.ok() && status->runs_hung == 1, "the hang is counted");
  want(card.read(card.a) == card.values, "transfers go on");
}

void run_axi(Fixture& card) {
  xrt::kernel poke(card.device, card.uuid, "poke");
  xrt::bo memory(card.device, 4096, poke.group_id(0));
  auto good = poke(memory, std::uint64_t{5}, 77u);
  want(wait_for(good, 2000) == ERT_CMD_STATE_COMPLETED, "a write inside completes");
  memory.sync(XCL_BO_SYNC_BO_FROM_DEVICE);
  want(memory.map<std::uint8_t*>()[5] == 77, "and is seen");
  auto wild = poke(memory, std::uint64_t{1} << 30, 1u);
  want(wait_for(wild, 300) != ERT_CMD_STATE_COMPLETED, "a write outside does not complete");
  const auto status = card.control.status();
  want(status.ok() && status->axi_errors == 1, "one AXI error is counted");
  auto other = card.add(card.a, card.b, card.sum, kCount);
  want(wait_for(other, 2000) == ERT_CMD_STATE_COMPLETED && card.sums_right(), "other kernels go on");
}

void run_flip(Fixture& card) {
  want(card.control.flip(card.a.address() + 4 * 10 + 1, 3).ok(), "a bit flips");
  auto expected = card.values;
  expected[10] ^= 1u << (8 + 3);
  want(card.read(card.a) == expected, "that bit and no other");
  want(!card.control.flip(std::uint64_t{3} << 32, 0).ok(), "no bit flips where no buffer is");
}

void run_dma(Fixture& card) {
  want(card.control.set(Fault::dma_error, 1).ok(), "dma_error is switched on");
  std::vector<std::uint32_t> other(kCount, 0xdeadbeef);
  card.a.write(other.data());
  std::memset(card.b.map<std::uint8_t*>(), 0x55, kBytes);
  bool told = false;
  try {
    card.a.sync(XCL_BO_SYNC_BO_TO_DEVICE);
  } catch (const std::exception&) {
    told = true;
  }
  // It does not: a driver has to see for itself that what it wanted to read has not come.
  std::printf("XRT tells of a DMA error: %s\n", told ? "yes" : "no");
  want(card.read(card.b) == std::vector<std::uint32_t>(kCount, 0x55555555) || told, "what was read stays as it was");
  want(card.control.set(Fault::dma_error, 0).ok(), "dma_error is switched off");
  want(card.read(card.a) == card.values, "nothing was written");
  want(card.control.status()->transfers_refused >= 1, "the refusal is counted");
}

void run_slow(Fixture& card) {
  want(card.control.set(Fault::slow_run_us, 200'000).ok(), "slow is switched on");
  auto run = card.add(card.a, card.b, card.sum, kCount);
  want(run.state() != ERT_CMD_STATE_COMPLETED, "a slow run is still running at once after its start");
  want(wait_for(run, 3000) == ERT_CMD_STATE_COMPLETED && card.sums_right(), "and completes");
}

// A hung kernel is gone after a new load, buffers stay.
void run_reload(Fixture& card, const std::string& xclbin) {
  run_hang(card);
  want(card.control.set(Fault::hang, 0).ok(), "hang is switched off");
  card.device.load_xclbin(xclbin);
  want(card.control.status()->loads == 2, "two loads are counted");
}

void run_opencl(const std::string& xclbin) {
  std::vector<cl::Platform> platforms;
  cl::Platform::get(&platforms);
  want(platforms.size() == 1 && platforms[0].getInfo<CL_PLATFORM_NAME>() == "Xilinx", "Xilinx is the platform");
  std::vector<cl::Device> devices;
  platforms[0].getDevices(CL_DEVICE_TYPE_ACCELERATOR, &devices);
  want(devices.size() == 1, "there is one card");
  std::ifstream file(xclbin, std::ios::binary);
  const std::vector<unsigned char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const cl::Context context(devices[0]);
  const cl::Program program(context, devices, {bytes});
  cl::Kernel add(program, "add");
  const cl::CommandQueue queue(context, devices[0], CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  std::vector<std::uint32_t> values(kCount);
  std::iota(values.begin(), values.end(), 7u);
  std::vector<std::uint32_t> got(kCount);
  const cl::Buffer a(context, CL_MEM_READ_ONLY, kBytes);
  const cl::Buffer b(context, CL_MEM_READ_ONLY, kBytes);
  const cl::Buffer sum(context, CL_MEM_WRITE_ONLY, kBytes);
  add.setArg(0, a);
  add.setArg(1, b);
  add.setArg(2, sum);
  add.setArg(3, kCount);
  queue.enqueueWriteBuffer(a, CL_TRUE, 0, kBytes, values.data());
  queue.enqueueWriteBuffer(b, CL_TRUE, 0, kBytes, values.data());
  queue.enqueueTask(add);
  queue.finish();
  queue.enqueueReadBuffer(sum, CL_TRUE, 0, kBytes, got.data());
  for (std::uint32_t i = 0; i < kCount; ++i) {
    want(got[i] == 2 * values[i], "the sums are right");
  }
}

// The product's own bitstream: its kernels are there and each has its bank.
void run_product(const std::string& run_directory, const std::string& xclbin) {
  xrt::device device{0};
  const auto uuid = device.load_xclbin(xclbin);
  for (const char* name : {"session_engine", "state_delta", "esp_crypto"}) {
    const xrt::kernel kernel(device, uuid, name);
    const xrt::bo buffer(device, 4096, kernel.group_id(0));
    want(buffer.size() == 4096, "a buffer for the first argument");
  }
  const auto status = CardControl::connect(run_directory)->status();
  want(status.ok() && status->loads == 1 && status->requests_refused == 0, "the card has loaded it");
}

void run_case(const std::string& name, const std::string& run_directory, const std::string& xclbin) {
  if (name == "opencl") {
    run_opencl(xclbin);
    return;
  }
  if (name == "product") {
    run_product(run_directory, xclbin);
    return;
  }
  Fixture card(run_directory, xclbin);
  if (name == "add") {
    run_adds(card);
    large_transfer(card);
  } else if (name == "hang") {
    run_hang(card);
    end_with_run_in_flight("hang");
  } else if (name == "axi") {
    run_axi(card);
    end_with_run_in_flight("axi");
  } else if (name == "flip") {
    run_flip(card);
  } else if (name == "dma") {
    run_dma(card);
  } else if (name == "slow") {
    run_slow(card);
  } else if (name == "reload") {
    run_reload(card, xclbin);
    end_with_run_in_flight("reload");
  } else if (name == "crash") {
    (void)card.control.set(Fault::crash, 1);  // no answer comes
    std::this_thread::sleep_for(std::chrono::seconds(5));
    want(false, "XRT ends this process when the card dies");
  } else if (name == "crash_at_run") {
    want(card.control.set(Fault::crash, 2).ok(), "crash is set");
    auto run = card.add(card.a, card.b, card.sum, kCount);
    wait_for(run, 5000);
    want(false, "XRT ends this process when the card dies");
  } else {
    throw Failed("no such case");
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::fputs("emulator_xrt_host CASE INSTALLATION RUN_DIRECTORY XCLBIN\n", stderr);
    return 2;
  }
  const auto entered = phalanx::emulator::enter_emulation(arguments[2], arguments[3]);
  if (!entered.ok()) {
    std::fprintf(stderr, "%s\n", entered.ToString().c_str());
    return 2;
  }
  try {
    run_case(arguments[1], arguments[3], arguments[4]);
  } catch (const std::exception& error) {
    std::printf("%s: %s\n", arguments[1], error.what());
    return 1;
  }
  std::printf("%s: as wanted\n", arguments[1]);
  return 0;
}
