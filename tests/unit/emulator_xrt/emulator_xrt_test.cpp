// The emulated card under the genuine XRT and OpenCL: each case a process of its own session (emulator_xrt_host),
// because XRT ends its process group when the card dies.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "drivers/emulator/environment.hpp"
#include "tests/unit/emulator_xrt/small_xclbin.hpp"

namespace phalanx::emulator {
namespace {

namespace fs = std::filesystem;

std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Ending {
  int status = 0;  // of waitpid
  bool in_time = false;
  std::string output;
};

class EmulatorXrt : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "emulator-xrt-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::ofstream(folder_ / "small.xclbin", std::ios::binary) << small_xclbin(read_all(PHALANX_TEST_KERNELS));
  }
  void TearDown() override {
    remove_leftovers(run_directory());
    EXPECT_FALSE(fs::exists(socket_folder(run_directory())));
    fs::remove_all(folder_);
  }
  std::string run_directory() const { return (folder_ / "run").string(); }

  Ending run(const std::string& name) {
    constexpr int kLimitMs = 30'000;  // a hang, not a slow machine
    const auto xclbin = name == "product" ? std::string(PHALANX_PRODUCT_XCLBIN) : (folder_ / "small.xclbin").string();
    const auto output = (folder_ / "output").string();
    const auto run = run_directory();
    prctl(PR_SET_CHILD_SUBREAPER, 1);  // for a device model that outlives its host
    const pid_t host = fork();
    if (host == 0) {
      setsid();
      // Under the sanitizers: threads and signal handlers of XRT stop the search for leaks at the process's end.
      setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
      const int file = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
      dup2(file, STDOUT_FILENO);
      dup2(file, STDERR_FILENO);
      execl(PHALANX_EMULATOR_XRT_HOST, PHALANX_EMULATOR_XRT_HOST, name.c_str(), PHALANX_EMULATION, run.c_str(),
            xclbin.c_str(), nullptr);
      _exit(127);
    }
    Ending ending;
    for (int i = 0; i < kLimitMs / 10 && !ending.in_time; ++i) {
      ending.in_time = waitpid(host, &ending.status, WNOHANG) == host;
      std::this_thread::sleep_for(std::chrono::milliseconds(ending.in_time ? 0 : 10));
    }
    kill(-host, SIGKILL);  // the rest of its session: a device model that outlived it
    if (!ending.in_time) {
      waitpid(host, &ending.status, 0);
    }
    while (waitpid(-1, nullptr, 0) > 0) {
    }
    ending.output = read_all(output) + "\nthe card's log:\n" + read_all(fs::path(run) / kLogName);
    return ending;
  }

  fs::path folder_;
};

TEST_P(EmulatorXrt, DoesWhatTheCaseWants) {
  const auto ending = run(GetParam());
  EXPECT_TRUE(ending.in_time) << ending.output;
  EXPECT_TRUE(WIFEXITED(ending.status) && WEXITSTATUS(ending.status) == 0) << ending.status << "\n" << ending.output;
}
INSTANTIATE_TEST_SUITE_P(Cases, EmulatorXrt,
                         testing::Values("add", "opencl", "hang", "axi", "flip", "dma", "slow", "reload", "product"),
                         [](const auto& one) { return std::string(one.param); });

// Why XRT must have a process of its own: it ends the group of a host whose card dies.
class EmulatorCrash : public EmulatorXrt {};
TEST_P(EmulatorCrash, EndsTheHostBySignal) {
  const auto ending = run(GetParam());
  EXPECT_TRUE(ending.in_time) << ending.output;
  // By XRT's own kill(), or because it wrote to the dead card's socket first.
  ASSERT_TRUE(WIFSIGNALED(ending.status)) << ending.status << ending.output;
  EXPECT_TRUE(WTERMSIG(ending.status) == SIGTERM || WTERMSIG(ending.status) == SIGPIPE) << ending.output;
}
INSTANTIATE_TEST_SUITE_P(Cases, EmulatorCrash, testing::Values("crash", "crash_at_run"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace phalanx::emulator
