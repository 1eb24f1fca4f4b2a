#include "drivers/emulator/device_model.hpp"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "drivers/emulator/control_server.hpp"
#include "drivers/emulator/environment.hpp"
#include "drivers/emulator/wire.hpp"

namespace phalanx::emulator {
namespace {

namespace fs = std::filesystem;

class DeviceModelTest : public testing::Test {
 protected:
  DeviceModelTest() {
    std::string pattern = (fs::temp_directory_path() / "device-model-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  ~DeviceModelTest() override { fs::remove_all(folder_); }

  // Field 1 of the reply: ack, valid, success or size.
  std::uint64_t ask(std::uint32_t method, const std::string& message) {
    reply_ = model_.serve(method, message);
    WireReader reader(absl::string_view(reply_).substr(kReplyHeaderBytes));
    return (*reader.next())->value;
  }
  // Banks of 1 MiB, a buffer of 4 KiB at 8192.
  void set_up_memory() {
    const auto bank = WireWriter().varint(7, 1 << 20).take();
    EXPECT_EQ(ask(3, WireWriter().bytes(1, "").bytes(2, "").bytes(8, bank).take()), 1u);
    EXPECT_EQ(ask(4, WireWriter().varint(1, 8192).varint(2, 4096).take()), 1u);
  }
  std::string write_of(std::uint64_t address, const std::string& data) {
    return WireWriter().varint(3, address).bytes(4, data).varint(5, data.size()).take();
  }
  std::string read_of(std::uint64_t address, std::uint64_t size) {
    return WireWriter().varint(4, address).varint(5, size).take();
  }
  std::string load_of(const std::string& xml, const std::string& object) {
    std::ofstream(folder_ / "metadata.xml") << xml;
    const auto bank = WireWriter().varint(7, 1 << 20).take();
    return WireWriter().bytes(1, (folder_ / "metadata.xml").string()).bytes(2, object).bytes(8, bank).take();
  }

  fs::path folder_;
  std::unique_ptr<CardMemory> memory_ = *CardMemory::create();
  Log log_{"/dev/null"};
  DeviceModel model_{*memory_, log_};
  std::string reply_;
};

TEST_F(DeviceModelTest, StaysUntilItIsClosedForGood) {
  EXPECT_EQ(ask(1, WireWriter().varint(3, 0).take()), 1u);
  EXPECT_FALSE(model_.closed());
  EXPECT_EQ(ask(1, WireWriter().varint(3, 1).take()), 1u);
  EXPECT_TRUE(model_.closed());
}

TEST_F(DeviceModelTest, TransfersWithinBuffersOnly) {
  set_up_memory();
  EXPECT_EQ(ask(6, write_of(8200, "hello")), 5u);
  EXPECT_EQ(ask(7, read_of(8200, 5)), 5u);
  EXPECT_THAT(reply_, testing::EndsWith("hello"));
  EXPECT_EQ(ask(6, write_of(4000, "hello")), 0u);
  EXPECT_EQ(ask(7, read_of(12286, 5)), 0u);
  EXPECT_EQ(ask(5, WireWriter().varint(1, 8192).take()), 1u);
  EXPECT_EQ(ask(7, read_of(8200, 5)), 0u);
  EXPECT_THAT(model_.command("status"), testing::HasSubstr(" transfers=5 transfers_refused=3 requests_refused=3"));
}

TEST_F(DeviceModelTest, FailsTransfersAsTold) {
  set_up_memory();
  EXPECT_EQ(model_.command("fault dma_error 1"), "ok");
  EXPECT_EQ(ask(6, write_of(8192, "hello")), 0u);
  EXPECT_EQ(model_.command("fault dma_error 0"), "ok");
  EXPECT_EQ(ask(7, read_of(8192, 5)), 5u);
  EXPECT_THAT(reply_, testing::EndsWith(std::string(5, '\0'))) << "nothing was written";
}

TEST_F(DeviceModelTest, FlipsABitOfABuffer) {
  set_up_memory();
  EXPECT_EQ(ask(6, write_of(8192, "A")), 1u);
  EXPECT_EQ(model_.command("flip 8192 1"), "ok");
  EXPECT_EQ(ask(7, read_of(8192, 1)), 1u);
  EXPECT_THAT(reply_, testing::EndsWith("C"));
  EXPECT_EQ(model_.command("buffers"), "ok 8192:4096");
}

TEST_F(DeviceModelTest, RefusesCommandsWithAReason) {
  const char* const commands[] = {"",
                                  "fault",
                                  "fault hang",
                                  "fault hang 2",
                                  "fault crash 3",
                                  "fault x 1",
                                  "flip 0 0",
                                  "flip 99999999 0",
                                  "flip 1 8",
                                  "flip one 1",
                                  "status now",
                                  "reboot",
                                  "fault slow_run_us 10000001",
                                  "fault slow_run_us -1"};
  for (const auto* command : commands) {
    EXPECT_THAT(model_.command(command), testing::StartsWith("error ")) << command;
  }
  EXPECT_EQ(model_.command("fault slow_run_us 10000000"), "ok");
}

TEST_F(DeviceModelTest, RefusesBitstreamsAndRegistersThatAreNotThere) {
  EXPECT_EQ(ask(3, load_of("<project/>", "/nowhere.so")), 0u);
  EXPECT_EQ(ask(3, load_of("<kernel name='k'>", "/nowhere.so")), 0u);
  EXPECT_EQ(ask(3, WireWriter().bytes(1, "/nowhere.xml").bytes(2, "/nowhere.so").take()), 0u);
  EXPECT_EQ(ask(11, WireWriter().varint(2, 0x1800000).varint(3, 4).take()), 0u);
  EXPECT_THAT(model_.command("status"), testing::HasSubstr("loads=0"));
}

TEST_F(DeviceModelTest, AnswersRandomRequests) {
  set_up_memory();
  std::mt19937_64 random(5);
  for (int i = 0; i < 20'000; ++i) {
    WireWriter message;
    for (auto fields = random() % 6; fields > 0; --fields) {
      const auto number = static_cast<std::uint32_t>(1 + random() % 8);
      if (random() % 2 == 0) {
        message.varint(number, random() >> (random() % 64));
      } else {
        message.bytes(number, std::string(random() % 40, static_cast<char>(random())));
      }
    }
    const auto reply = model_.serve(static_cast<std::uint32_t>(random() % 54), message.take());
    ASSERT_GE(reply.size(), kReplyHeaderBytes);
  }
}

TEST_F(DeviceModelTest, IsToldThroughTheControlSocket) {
  set_up_memory();
  // A path longer than a unix socket's address.
  const auto run_directory = (folder_ / std::string(100, 'd') / std::string(100, 'e')).string();
  fs::create_directories(run_directory);
  EXPECT_FALSE(CardControl::connect(run_directory, 0).ok());
  {
    const auto server =
        ControlServer::start(run_directory, [&](absl::string_view line) { return model_.command(line); });
    ASSERT_TRUE(server.ok()) << server.status();
    auto control = CardControl::connect(run_directory);
    ASSERT_TRUE(control.ok()) << control.status();
    EXPECT_TRUE(control->set(Fault::dma_error, 1).ok());
    EXPECT_FALSE(control->set(Fault::dma_error, 2).ok());
    EXPECT_EQ(ask(6, write_of(8192, "hello")), 0u);
    EXPECT_EQ(control->status()->transfers_refused, 1u);
    EXPECT_TRUE(control->flip(8192, 0).ok());
    EXPECT_THAT(control->flip(0, 0).ToString(), testing::HasSubstr("no buffer is there"));
    EXPECT_THAT(*control->buffers(), testing::ElementsAre(testing::Pair(8192, 4096)));
    auto second = CardControl::connect(run_directory);
    EXPECT_EQ(second->status()->transfers, 1u);
  }
  EXPECT_TRUE(fs::is_empty(run_directory));
}

TEST(Environment, NamesWhatIsMissingAndCleansUp) {
  std::string pattern = (fs::temp_directory_path() / "environment-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const fs::path folder = pattern;
  const auto run = (folder / "run").string();
  const auto missing = emulation_environment(folder.string(), run);
  EXPECT_THAT(std::string(missing.status().message()), testing::HasSubstr("libxrt_swemu.so.2"));
  for (const char* file : {"xrt/lib/libxrt_swemu.so.2", "xrt/lib/libxrt_core.so.2", "emconfig.json", "xilinx.icd",
                           "xrt.ini", "vitis/data/emulation/unified/cpu_em/generic_pcie/model/genericpciemodel"}) {
    EXPECT_FALSE(emulation_environment(folder.string(), run).ok()) << file;
    fs::create_directories((folder / file).parent_path());
    std::ofstream(folder / file) << "x";
  }
  const auto environment = emulation_environment(folder.string(), run);
  ASSERT_TRUE(environment.ok()) << environment.status();
  EXPECT_THAT(*environment, testing::Contains(testing::Pair("XCL_EMULATION_MODE", "sw_emu")));
  EXPECT_THAT(*environment, testing::Contains(testing::Pair("SDACCEL_EM_RUN_DIR", run)));
  EXPECT_NE(socket_folder(run), socket_folder(run + "2")) << "two processes share no socket";
  for (const auto& left : {fs::path(socket_folder(run)), fs::path(run) / ".run" / "123"}) {
    fs::create_directories(left);
    std::ofstream(left / "stale") << "x";
  }
  std::ofstream(fs::path(run) / kLogName) << "kept";
  remove_leftovers(run);
  EXPECT_FALSE(fs::exists(socket_folder(run)));
  EXPECT_FALSE(fs::exists(fs::path(run) / ".run"));
  EXPECT_TRUE(fs::exists(fs::path(run) / kLogName));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace phalanx::emulator
