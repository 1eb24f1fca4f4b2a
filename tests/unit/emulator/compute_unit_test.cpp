#include "drivers/emulator/compute_unit.hpp"

#include <chrono>
#include <cstring>
#include <thread>

namespace phalanx::emulator {
namespace {

std::atomic<bool> gate{false};  // held_kernel runs until it is open

void add_kernel(const std::uint64_t* arguments) {
  auto* memory = reinterpret_cast<std::uint64_t*>(arguments[0]);
  memory[0] += arguments[1] + arguments[2];
}
void held_kernel(const std::uint64_t* /*arguments*/) {
  while (!gate.load()) {
    std::this_thread::yield();
  }
}

class ComputeUnitTest : public testing::Test {
 protected:
  ComputeUnitTest() {
    EXPECT_TRUE(memory_->set_banks({1 << 20}).ok());
    EXPECT_TRUE(memory_->allocate(4096, 4096).ok());
    kernel_.name = "add";
    kernel_.arguments = {{"memory", 0x10, 8, true}, {"wide", 0x1c, 8, false}, {"narrow", 0x28, 4, false}};
  }
  ~ComputeUnitTest() override {
    if (unit_) {
      unit_->stop(100);
    }
  }
  ComputeUnit& unit(KernelCall call = add_kernel) {
    unit_ = std::make_shared<ComputeUnit>(card_, kernel_, KernelInstance{"add_1", 0x1800000, 0x10000}, call);
    unit_->start();
    return *unit_;
  }
  // The whole register map in one write, as XRT's scheduler does it.
  void write_map(ComputeUnit& target, std::uint32_t control, std::uint64_t address, std::uint64_t wide,
                 std::uint32_t narrow) {
    std::string map(0x2c, '\0');
    std::memcpy(map.data(), &control, 4);
    std::memcpy(map.data() + 0x10, &address, 8);
    std::memcpy(map.data() + 0x1c, &wide, 8);
    std::memcpy(map.data() + 0x28, &narrow, 4);
    ASSERT_TRUE(target.write(0, map).ok());
  }
  std::uint32_t control_of(ComputeUnit& target) {
    std::uint32_t control = 0;
    const auto bytes = target.read(0, 4);
    EXPECT_TRUE(bytes.ok());
    std::memcpy(&control, bytes->data(), 4);
    return control;
  }
  // The first control word that says something else than that the kernel runs; kApStart if none comes in time.
  std::uint32_t finished(ComputeUnit& target, int limit_ms = 5000) {
    for (int i = 0; i < limit_ms; ++i) {
      if (const auto control = control_of(target); control != kApStart) {
        return control;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return kApStart;
  }
  std::uint64_t word_at(std::uint64_t address) {
    std::uint64_t word = 0;
    std::memcpy(&word, memory_->read(address, 8)->data(), 8);
    return word;
  }

  std::unique_ptr<CardMemory> memory_ = *CardMemory::create();
  FaultSwitches faults_;
  Log log_{"/dev/null"};
  Card card_{*memory_, faults_, log_, {}};
  Kernel kernel_;
  std::shared_ptr<ComputeUnit> unit_;
};

TEST_F(ComputeUnitTest, RunsOnceForEachStart) {
  auto& add = unit();
  EXPECT_EQ(control_of(add), kApIdle);
  write_map(add, 0, 4096 + 8, 1ull << 40, 5);
  EXPECT_EQ(control_of(add), kApIdle) << "arguments alone start nothing";
  write_map(add, kApStart, 4096 + 8, 1ull << 40, 5);
  EXPECT_EQ(finished(add), kApDone | kApIdle | kApReady);
  EXPECT_EQ(control_of(add), kApIdle) << "reading clears DONE";
  EXPECT_EQ(word_at(4096 + 8), (1ull << 40) + 5);
  ASSERT_TRUE(add.write(0, std::string("\1\0\0\0", 4)).ok()) << "the arguments stay";
  EXPECT_EQ(finished(add), kApDone | kApIdle | kApReady);
  EXPECT_EQ(word_at(4096 + 8), 2 * ((1ull << 40) + 5));
  EXPECT_EQ(card_.counters.runs, 2u);
  EXPECT_EQ(card_.counters.runs_done, 2u);
}

TEST_F(ComputeUnitTest, ReadsBackItsRegistersAndRefusesOthers) {
  auto& add = unit();
  write_map(add, 0, 0x1122334455667788, 0, 9);
  EXPECT_EQ((*add.read(0x10, 8)), std::string("\x88\x77\x66\x55\x44\x33\x22\x11"));
  EXPECT_TRUE(add.read(kRegisterMapBytes - 4, 4).ok());
  EXPECT_FALSE(add.read(kRegisterMapBytes, 4).ok());
  EXPECT_FALSE(add.read(kRegisterMapBytes - 4, 8).ok());
  EXPECT_FALSE(add.read(2, 4).ok());
  EXPECT_FALSE(add.read(~0ull - 3, 8).ok());
  EXPECT_FALSE(add.write(kRegisterMapBytes, "1234").ok());
  EXPECT_FALSE(add.write(0x10, "123").ok());
}

TEST_F(ComputeUnitTest, IgnoresAStartWhileItRuns) {
  gate = false;
  auto& held = unit(held_kernel);
  write_map(held, kApStart, 4096, 0, 0);
  EXPECT_EQ(control_of(held), kApStart);
  write_map(held, kApStart, 4096, 0, 0);
  gate = true;
  EXPECT_NE(finished(held), kApStart);
  EXPECT_EQ(card_.counters.runs, 1u);
}

TEST_F(ComputeUnitTest, HangsAsToldUntilItIsReplaced) {
  faults_.set(Fault::hang, 1);
  auto& add = unit();
  write_map(add, kApStart, 4096, 1, 1);
  EXPECT_EQ(finished(add, 50), kApStart);
  faults_.set(Fault::hang, 0);
  write_map(add, kApStart, 4096, 1, 1);
  EXPECT_EQ(finished(add, 50), kApStart) << "a hung unit does not come back by a start";
  EXPECT_EQ(card_.counters.runs_hung, 1u);
  EXPECT_EQ(word_at(4096), 0u);
  EXPECT_TRUE(add.stop(5000)) << "but its thread ends";
  auto& replaced = unit();
  write_map(replaced, kApStart, 4096, 1, 1);
  EXPECT_NE(finished(replaced), kApStart);
  EXPECT_EQ(word_at(4096), 2u);
}

TEST_F(ComputeUnitTest, DoesNotRunWithAPointerToNoBuffer) {
  for (const std::uint64_t address : {0ull, 4095ull, 8192ull, ~0ull}) {
    auto& add = unit();
    write_map(add, kApStart, address, 1, 1);
    EXPECT_EQ(finished(add, 30), kApStart) << address;
    unit_->stop(5000);
  }
  EXPECT_EQ(card_.counters.axi_errors, 4u);
}

TEST_F(ComputeUnitTest, IsStoppedWhereItLeavesItsBuffer) {
  install_axi_fault_handler();
  // Their threads stay in the handler for good: what they use must stay as well.
  static auto memory = *CardMemory::create();
  static FaultSwitches faults;
  static Log log("/dev/null");
  static Card card{*memory, faults, log, {}};
  ASSERT_TRUE(memory->set_banks({1 << 20}).ok());
  ASSERT_TRUE(memory->allocate(4096, 4096).ok());
  const KernelCall beyond = [](const std::uint64_t* arguments) {
    reinterpret_cast<volatile char*>(arguments[0])[4096] = 1;
  };
  const auto stray = std::make_shared<ComputeUnit>(card, kernel_, KernelInstance{"stray_1", 0, 0x10000}, beyond);
  stray->start();
  write_map(*stray, kApStart, 4096, 0, 0);
  EXPECT_EQ(finished(*stray, 100), kApStart);
  EXPECT_EQ(card.counters.axi_errors, 1u);
  EXPECT_FALSE(stray->stop(10));
}

TEST_F(ComputeUnitTest, IsSlowAsTold) {
  faults_.set(Fault::slow_run_us, 20'000);
  auto& add = unit();
  write_map(add, kApStart, 4096, 1, 1);
  EXPECT_EQ(control_of(add), kApStart);
  EXPECT_NE(finished(add), kApStart);
  EXPECT_EQ(word_at(4096), 2u);
}

}  // namespace
}  // namespace phalanx::emulator
