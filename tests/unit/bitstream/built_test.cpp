// The emulated card's bitstream as the build made it, judged by XRT's own parser, by the loader of shared objects and
// by writing it again.
#include <dlfcn.h>
#include <experimental/xrt_xclbin.h>

#include <fstream>
#include <iterator>

#include "bitstreams/xclbin_writer/xclbin_file.hpp"
#include "drivers/bitstream/bitstream.hpp"
#include "drivers/bitstream/container.hpp"
#include "drivers/bitstream/metadata.hpp"
#include "tests/unit/bitstream/sample.hpp"

namespace phalanx::bitstream {
namespace {

const std::string kBuilt = PHALANX_BUILT_XCLBIN;

TEST(BuiltBitstream, IsTakenByTheReader) {
  const auto loaded = load_bitstream(kBuilt, test::trusting_all());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->contents.target, BuildTarget::kSwEmu);
  EXPECT_EQ(load_bitstream(kBuilt, TrustPolicy{}).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(BuiltBitstream, SaysToXrtWhatTheDescriptionSays) {
  const xrt::xclbin xclbin(kBuilt);
  EXPECT_EQ(xclbin.get_xsa_name(), kEmulatedPlatform.xrt_name);
  EXPECT_EQ(xclbin.get_target_type(), xrt::xclbin::target_type::sw_emu);
  const auto loaded = load_bitstream(kBuilt, test::trusting_all());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(xclbin.get_uuid().to_string(), loaded->contents.uuid);
  ASSERT_EQ(xclbin.get_kernels().size(), kKernels.size());
  for (const KernelDescription& wanted : kKernels) {
    const xrt::xclbin::kernel kernel = xclbin.get_kernel(std::string(wanted.name));
    EXPECT_EQ(kernel.get_cus().size(), wanted.compute_units);
    ASSERT_EQ(kernel.get_num_args(), wanted.arguments.size()) << wanted.name;
    for (const ArgumentDescription& argument : wanted.arguments) {
      const xrt::xclbin::arg arg = kernel.get_arg(static_cast<int32_t>(argument.index));
      EXPECT_EQ(arg.get_name(), argument.name);
      EXPECT_EQ(arg.get_offset(), argument.offset) << argument.name;
      EXPECT_EQ(arg.get_size(), argument.register_bytes()) << argument.name;
      EXPECT_EQ(arg.get_port(), argument.is_pointer() ? port_name(argument.group) : std::string(kControlPort));
      ASSERT_EQ(arg.get_mems().size(), argument.is_pointer() ? 1 : 0) << argument.name;
      if (argument.is_pointer()) {
        EXPECT_EQ(arg.get_mems()[0].get_index(), find_group(argument.group)->emulated_bank) << argument.name;
      }
    }
  }
}

TEST(BuiltBitstream, HasAThunkForEachKernel) {
  void* object = dlopen(PHALANX_BUILT_OBJECT, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(object, nullptr) << dlerror();
  for (const KernelDescription& kernel : kKernels) {
    EXPECT_NE(dlsym(object, ("phalanx_call_" + std::string(kernel.name)).c_str()), nullptr) << kernel.name;
  }
  dlclose(object);
}

// One register of sixteen is what this looks at: a table of another ABI, which the kernel refuses through `state`.
TEST(BuiltBitstream, CallsTheKernelWithItsRegisters) {
  void* object = dlopen(PHALANX_BUILT_OBJECT, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(object, nullptr) << dlerror();
  const auto call = reinterpret_cast<void (*)(const uint64_t*)>(dlsym(object, "phalanx_call_session_engine"));
  ASSERT_NE(call, nullptr);
  std::vector<abi::Line> memory(64);
  abi::TableState state{};
  state.abi_version = abi::kAbiVersion + 1;
  std::vector<uint64_t> registers;
  for (const ArgumentDescription& argument : find_kernel("session_engine")->arguments) {
    void* at = argument.name == "state" ? static_cast<void*>(&state) : memory.data();
    registers.push_back(argument.is_pointer() ? reinterpret_cast<uint64_t>(at) : 0);
  }
  call(registers.data());
  EXPECT_EQ(state.error, abi::kTableErrorAbi);
  dlclose(object);
}

TEST(BuiltBitstream, IsTheSameWhenWrittenAgain) {
  const auto loaded = load_bitstream(kBuilt, test::trusting_all());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto container = parse_container(loaded->xclbin, kBuilt);
  ASSERT_TRUE(container.ok()) << container.status();
  const std::string object(container->sections[0].bytes);
  EXPECT_EQ(assemble(BuildTarget::kSwEmu, kEmulatedPlatform.xrt_name, emulation_sections(object, kKernels)),
            loaded->xclbin);
}

}  // namespace
}  // namespace phalanx::bitstream
