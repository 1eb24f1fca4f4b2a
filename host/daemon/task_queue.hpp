// Work that other threads hand to the thread that owns some state: management calls, full sync, routes. Not for
// packets.
#ifndef PHALANX_HOST_DAEMON_TASK_QUEUE_HPP
#define PHALANX_HOST_DAEMON_TASK_QUEUE_HPP

#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "host/daemon/wake.hpp"

namespace phalanx::daemon {

// How long a caller waits for the owner: a worker that has not come by in a second is broken, and its critical device
// says so.
inline constexpr absl::Duration kCallTimeout = absl::Seconds(1);
// Beyond this many the owner is not keeping up, and callers are refused.
inline constexpr size_t kTasksMax = 4096;

// `Owner` is what tasks work on; they get the time too.
template <typename Owner>
class TaskQueue {
 public:
  using Task = std::function<void(Owner&, int64_t now_ns)>;

  // Any thread. False if too many wait.
  bool post(Task task) {
    {
      const std::lock_guard lock(mutex_);
      if (tasks_.size() >= kTasksMax) return false;
      tasks_.push_back(std::move(task));
      waiting_.store(true, std::memory_order_release);
    }
    wake_.notify();
    return true;
  }

  // Runs `function` on the owner's thread and gives its result; DeadlineExceeded if that takes longer than
  // kCallTimeout.
  template <typename Function>
  auto call(Function function) -> absl::StatusOr<decltype(function(std::declval<Owner&>(), int64_t{}))> {
    using Result = decltype(function(std::declval<Owner&>(), int64_t{}));
    auto promise = std::make_shared<std::promise<Result>>();
    std::future<Result> future = promise->get_future();
    const bool posted = post([promise, function = std::move(function)](Owner& owner, int64_t now_ns) mutable {
      promise->set_value(function(owner, now_ns));
    });
    if (!posted) return absl::ResourceExhaustedError("too many requests wait");
    if (future.wait_for(absl::ToChronoMilliseconds(kCallTimeout)) != std::future_status::ready) {
      return absl::DeadlineExceededError("the member did not answer in time");
    }
    return future.get();
  }

  // The owner's thread. Takes at most what waits now; never waits for a lock that another holds.
  void run(Owner& owner, int64_t now_ns) {
    if (!waiting_.load(std::memory_order_acquire)) return;
    std::deque<Task> taken;
    {
      const std::unique_lock lock(mutex_, std::try_to_lock);
      if (!lock.owns_lock()) return wake_.notify();
      taken.swap(tasks_);
      waiting_.store(false, std::memory_order_release);
    }
    for (Task& task : taken) task(owner, now_ns);
  }
  const Wake& wake() const { return wake_; }

 private:
  std::mutex mutex_;
  std::deque<Task> tasks_;
  std::atomic<bool> waiting_{false};
  Wake wake_;
};

}  // namespace phalanx::daemon

#endif
