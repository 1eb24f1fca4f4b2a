// The hardware-in-the-loop suite: ./dev test --hardware. On the emulated card; on a real one with PHALANX_DEVICE set to
// its PCIe address and PHALANX_XCLBIN to a bitstream for it. Each case is a process in a session of its own, which this
// program starts from itself: hardware_suite --child CASE API.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "absl/strings/numbers.h"
#include "drivers/emulator/environment.hpp"
#include "tests/differential/cases/cases.hpp"
#include "tests/hardware/card_case.hpp"
#include "tests/hardware/child_process.hpp"

namespace phalanx::testing {
namespace {

// Of one case: a minute or two for whatever else the machine does, and its operations at a tenth of the speed that the
// emulated card has.
constexpr std::chrono::milliseconds kCaseLimit(120000);
constexpr uint64_t kOperationsPerMsLeast = 2;
constexpr uint64_t kSoakEmulated = 40000;
constexpr uint64_t kSoakReal = 2000000;

std::string variable(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

CardUnderTest card_under_test(CardApi api) {
  CardUnderTest card;
  const std::string device = variable("PHALANX_DEVICE", "");
  card.emulated = device.empty();
  card.options.api = api;
  card.options.device = card.emulated ? "0" : device;
  card.options.xclbin = variable("PHALANX_XCLBIN", card.emulated ? PHALANX_EMULATED_XCLBIN : "");
  card.options.trusted_keys = variable("PHALANX_TRUSTED_KEYS", "");
  card.options.allow_unsigned = card.options.trusted_keys.empty();
  card.run_directory = variable(emulator::kRunDirectoryVariable, "");
  const std::string soak = variable("PHALANX_SOAK", "");
  if (soak.empty()) {
    card.soak_operations = card.emulated ? kSoakEmulated : kSoakReal;
    card.stream_operations = stream_operations();
  } else if (absl::SimpleAtoi(soak, &card.soak_operations)) {
    card.stream_operations = card.soak_operations;
  } else {
    std::fprintf(stderr, "PHALANX_SOAK: '%s' is no number of operations\n", soak.c_str());
    std::exit(2);
  }
  return card;
}

std::chrono::milliseconds limit_of(const CardUnderTest& card) {
  const uint64_t operations = std::max(card.soak_operations, card.stream_operations);
  return kCaseLimit + std::chrono::milliseconds(operations / kOperationsPerMsLeast);
}

// In the child: carries out a case. It ends without destructors: XRT's may wait for ever for a card that has died.
[[noreturn]] void run_case(const std::string& name, const std::string& api_name) {
  absl::Status status = absl::NotFoundError("no case " + name);
  const auto api = parse_card_api(api_name);
  if (!api.ok()) status = api.status();
  for (const CardCase& c : card_cases()) {
    if (api.ok() && name == c.name) status = c.run(card_under_test(*api));
  }
  if (!status.ok()) std::cout << "FAILED: " << status << std::endl;
  std::cout.flush();
  std::fflush(stdout);
  _exit(status.ok() ? 0 : 1);
}

struct Parameter {
  const CardCase* card_case;
  const char* api;
};
std::ostream& operator<<(std::ostream& out, const Parameter& p) { return out << p.card_case->name << " by " << p.api; }

std::vector<Parameter> parameters() {
  std::vector<Parameter> all;
  for (const char* api : {"xrt", "opencl"}) {
    for (const CardCase& c : card_cases()) all.push_back({&c, api});
  }
  return all;
}

class HardwareSuite : public ::testing::TestWithParam<Parameter> {
 protected:
  // One process of a case, from the card's opening to its end.
  static void run_process(const CardCase& c, const emulator::Environment& environment, const std::filesystem::path& run,
                          const CardUnderTest& card) {
    const std::chrono::milliseconds limit = limit_of(card);
    const auto result =
        run_child({std::filesystem::read_symlink("/proc/self/exe").string(), "--child", c.name, GetParam().api},
                  environment, (run / "output").string(), limit);
    if (card.emulated) emulator::remove_leftovers(run.string());
    ASSERT_TRUE(result.ok()) << result.status();
    std::cout << result->output;
    EXPECT_NE(result->output.find("device: "), std::string::npos) << "no card was opened";
    EXPECT_FALSE(result->timed_out) << "not done within " << limit.count() << " ms";
    const bool ended = c.may_be_ended && (result->signal == SIGTERM || result->signal == SIGPIPE);
    if (ended) std::cout << c.name << ": XRT ended the process, which the gateway sees" << std::endl;
    EXPECT_TRUE(result->exit_code == 0 || ended) << "exit " << result->exit_code << ", signal " << result->signal;
  }
};

TEST_P(HardwareSuite, Holds) {
  namespace fs = std::filesystem;
  const CardCase& c = *GetParam().card_case;
  const CardUnderTest card = card_under_test(CardApi::kXrt);
  if (c.needs_emulation && !card.emulated) {
    RecordProperty("not_injectable", 1);
    std::cout << c.name << ": not injectable on this device (" << card.options.device << ")" << std::endl;
    return;
  }
  ASSERT_FALSE(card.options.xclbin.empty()) << "PHALANX_DEVICE is set and PHALANX_XCLBIN is not";
  const fs::path run = fs::temp_directory_path() /
                       ("phalanx-hardware." + std::to_string(getpid()) + "." + GetParam().api + "." + c.name);
  fs::create_directories(run);
  emulator::Environment environment = {{emulator::kRunDirectoryVariable, run.string()}};
  if (card.emulated) {
    auto made = emulator::emulation_environment(PHALANX_EMULATION, run.string());
    ASSERT_TRUE(made.ok()) << made.status();
    environment = *std::move(made);
  }
  for (int i = 0; i < c.processes && !HasFailure(); ++i) run_process(c, environment, run, card);
  std::error_code ignored;
  if (!HasFailure()) fs::remove_all(run, ignored);
}

INSTANTIATE_TEST_SUITE_P(Cards, HardwareSuite, ::testing::ValuesIn(parameters()), [](const auto& test) {
  return std::string(test.param.api) + "_" + test.param.card_case->name;
});

}  // namespace
}  // namespace phalanx::testing

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--child") phalanx::testing::run_case(argv[2], argv[3]);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
