// Sliding window of sequence numbers already seen, 64 wide (the method of RFC 4303, 3.4.3).
#ifndef PHALANX_HOST_CLUSTER_REPLAY_WINDOW_HPP
#define PHALANX_HOST_CLUSTER_REPLAY_WINDOW_HPP

#include <cstdint>

namespace phalanx::cluster {

class ReplayWindow {
 public:
  // A report goes out on every interface with a number each, so the window must hold a few rounds on many interfaces.
  static constexpr uint64_t kWidth = 64;

  // True and remembered if `sequence` is new; false if it was seen, is 0, or is older than the window.
  bool check_and_set(uint64_t sequence) {
    if (sequence == 0) return false;
    if (sequence > highest_) {
      const uint64_t shift = sequence - highest_;
      seen_ = shift >= kWidth ? 0 : seen_ << shift;
      seen_ |= 1;
      highest_ = sequence;
      return true;
    }
    const uint64_t age = highest_ - sequence;
    if (age >= kWidth) return false;
    const uint64_t bit = uint64_t{1} << age;
    if ((seen_ & bit) != 0) return false;
    seen_ |= bit;
    return true;
  }
  uint64_t highest() const { return highest_; }

 private:
  uint64_t highest_ = 0;
  uint64_t seen_ = 0;
};

}  // namespace phalanx::cluster

#endif
