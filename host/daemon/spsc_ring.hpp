// A bounded queue between exactly two threads, without locks: the real-time control thread must never wait for a
// worker.
#ifndef PHALANX_HOST_DAEMON_SPSC_RING_HPP
#define PHALANX_HOST_DAEMON_SPSC_RING_HPP

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace phalanx::daemon {

template <typename T>
class SpscRing {
 public:
  // Room for `capacity` items, a power of two.
  explicit SpscRing(size_t capacity) : slots_(capacity), mask_(capacity - 1) {}

  // Producer. False if full: the item is not taken.
  bool push(T item) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) == slots_.size()) return false;
    slots_[head & mask_] = std::move(item);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  // Consumer: the next item, which stays; null if there is none. Valid until pop().
  const T* front() const {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    return tail == head_.load(std::memory_order_acquire) ? nullptr : &slots_[tail & mask_];
  }

  // Consumer.
  std::optional<T> pop() {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire)) return std::nullopt;
    T item = std::move(slots_[tail & mask_]);
    tail_.store(tail + 1, std::memory_order_release);
    return item;
  }

 private:
  std::vector<T> slots_;
  size_t mask_;
  alignas(64) std::atomic<size_t> head_{0};
  alignas(64) std::atomic<size_t> tail_{0};
};

}  // namespace phalanx::daemon

#endif
