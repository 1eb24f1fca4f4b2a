#include "host/daemon/task_queue.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace phalanx::daemon {
namespace {

struct Owner {
  int sum = 0;
};

TEST(TaskQueue, RunsTasksOfManyThreadsOnTheOwnersOwn) {
  TaskQueue<Owner> queue;
  Owner owner;
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    while (!stop.load()) queue.run(owner, 7);
  });
  std::vector<std::thread> callers;
  std::atomic<int> answered{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        const auto result = queue.call([](Owner& o, int64_t now_ns) {
          ++o.sum;
          return now_ns;
        });
        if (result.ok() && *result == 7) answered.fetch_add(1);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  stop.store(true);
  thread.join();
  EXPECT_EQ(answered.load(), 400);
  EXPECT_EQ(owner.sum, 400);
}

TEST(TaskQueue, RefusesWhatNobodyTakes) {
  TaskQueue<Owner> queue;
  for (size_t i = 0; i < kTasksMax; ++i) EXPECT_TRUE(queue.post([](Owner& o, int64_t) { ++o.sum; }));
  EXPECT_FALSE(queue.post([](Owner&, int64_t) {}));
  EXPECT_EQ(queue.call([](Owner&, int64_t) { return 1; }).status().code(), absl::StatusCode::kResourceExhausted);
  Owner owner;
  queue.run(owner, 0);
  EXPECT_EQ(owner.sum, static_cast<int>(kTasksMax));
}

TEST(TaskQueue, DoesNotWaitForAnOwnerThatHangs) {
  TaskQueue<Owner> queue;
  EXPECT_EQ(queue.call([](Owner&, int64_t) { return 1; }).status().code(), absl::StatusCode::kDeadlineExceeded);
  // The task may still run later, when the caller has gone.
  Owner owner;
  queue.run(owner, 0);
}

}  // namespace
}  // namespace phalanx::daemon
