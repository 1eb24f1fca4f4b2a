// The stand-in for hls::stream: a bounded FIFO between two fibers of one thread.
#ifndef PHALANX_HLS_NATIVE_STREAM_HPP
#define PHALANX_HLS_NATIVE_STREAM_HPP

#include <assert.h>
#include <stdint.h>

#include <vector>

#include "hls/native/dataflow.hpp"

namespace phalanx {
namespace hls {

template <typename T, int kDepth>
class Stream {
  static_assert(kDepth > 0, "a FIFO has a depth");

 public:
  explicit Stream(const char* name = "") : places_(kDepth) { (void)name; }
  ~Stream() { assert(head_ == tail_ && "values nobody has read: the stages disagree about their number"); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool empty() const { return head_ == tail_; }
  bool full() const { return tail_ - head_ == kDepth; }

  // Waits until there is a place.
  void write(const T& value) {
    native::fiber::maybe_yield();
    while (full()) native::fiber::block();
    Place& place = places_[tail_ % kDepth];
    native::fiber::advance_to(place.free_at);
    place.value = value;
    place.ready_at = native::fiber::arrival();
    ++tail_;
    native::fiber::progressed();
  }

  // Waits until there is a value.
  T read() {
    native::fiber::maybe_yield();
    while (empty()) native::fiber::block();
    Place& place = places_[head_ % kDepth];
    native::fiber::advance_to(place.ready_at);
    place.free_at = native::fiber::now();
    ++head_;
    native::fiber::progressed();
    return place.value;
  }

 private:
  struct Place {
    T value{};
    uint64_t ready_at = 0;
    uint64_t free_at = 0;
  };
  std::vector<Place> places_;
  uint64_t head_ = 0;
  uint64_t tail_ = 0;
};

}  // namespace hls
}  // namespace phalanx

#endif
