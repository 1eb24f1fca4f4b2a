// Virtual time: events in the order of (time, sequence). Nothing in a run waits for anything real.
#ifndef PHALANX_TESTS_SIMULATION_SCHEDULER_HPP
#define PHALANX_TESTS_SIMULATION_SCHEDULER_HPP

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace phalanx::simulation {

inline constexpr int64_t kMicrosecondNs = 1'000;
inline constexpr int64_t kMillisecondNs = 1'000'000;
inline constexpr int64_t kSecondNs = 1'000'000'000;

class Scheduler {
 public:
  int64_t now_ns() const { return now_ns_; }
  void at(int64_t time_ns, std::function<void()> what) { queue_.push({time_ns, sequence_++, std::move(what)}); }
  void after(int64_t delay_ns, std::function<void()> what) { at(now_ns_ + delay_ns, std::move(what)); }
  // Everything up to `time_ns`, which is the time then.
  void run_until(int64_t time_ns) {
    while (!queue_.empty() && queue_.top().time_ns <= time_ns) {
      // The queue gives its top const; the event is taken out before it runs, for it may add others.
      std::function<void()> what = std::move(const_cast<Event&>(queue_.top()).what);
      now_ns_ = queue_.top().time_ns;
      queue_.pop();
      what();
    }
    now_ns_ = time_ns;
  }

 private:
  struct Event {
    int64_t time_ns;
    uint64_t sequence;
    std::function<void()> what;
    friend bool operator<(const Event& x, const Event& y) {
      return x.time_ns != y.time_ns ? x.time_ns > y.time_ns : x.sequence > y.sequence;
    }
  };
  std::priority_queue<Event> queue_;
  int64_t now_ns_ = 0;
  uint64_t sequence_ = 0;
};

}  // namespace phalanx::simulation

#endif
