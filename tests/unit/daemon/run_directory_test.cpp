// Whose run directories a daemon that starts removes.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "host/daemon/card_engine.hpp"

namespace phalanx::daemon {
namespace {

namespace fs = std::filesystem;

pid_t dead_process() {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
  return pid;
}

TEST(RunDirectory, OfTheDeadGoesAndNothingElse) {
  const fs::path parent = fs::path(::testing::TempDir()) / absl::StrCat("run-directories-", getpid());
  const std::string dead = absl::StrCat("phalanx-card.", dead_process(), ".aBcDeF");
  const std::string living[] = {absl::StrCat("phalanx-card.", getpid(), ".aBcDeF"), "phalanx-card.0.aBcDeF",
                                "phalanx-card.aBcDeF", "phalanx-card", "others.1234567.aBcDeF"};
  fs::create_directories(parent / dead / ".run");
  for (const std::string& name : living) fs::create_directories(parent / name);
  RunDirectory::remove_of_the_dead(parent);
  EXPECT_FALSE(fs::exists(parent / dead));
  for (const std::string& name : living) EXPECT_TRUE(fs::exists(parent / name)) << name;
  fs::remove_all(parent);
}

TEST(RunDirectory, IsRemovedWithItsOwner) {
  auto directory = RunDirectory::create();
  ASSERT_TRUE(directory.ok()) << directory.status();
  const std::string path = (*directory)->path();
  EXPECT_TRUE(fs::exists(path));
  directory->reset();
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace phalanx::daemon
