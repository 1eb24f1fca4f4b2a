// Two ports with a wire between them, in memory, for tests in one thread.
#ifndef PHALANX_HOST_PORTS_MEMORY_PORT_HPP
#define PHALANX_HOST_PORTS_MEMORY_PORT_HPP

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/ports/port.hpp"

namespace phalanx {

// Frames waiting in one direction: 16 bursts.
inline constexpr size_t kMemoryPortQueueMax = size_t{16} * kBurstMax;

class MemoryPort final : public Port {
 public:
  // What the one sends the other receives, offload header and all.
  static std::pair<std::unique_ptr<MemoryPort>, std::unique_ptr<MemoryPort>> make_pair(
      const std::string& name_a, const std::string& name_b, size_t queue_max = kMemoryPortQueueMax);

  const std::string& name() const override { return name_; }
  size_t receive(absl::Span<Frame> burst) override;
  void release() override { held_.clear(); }
  void queue(const Frame& frame) override { queued_.push_back(frame); }
  void flush() override;
  int fd() const override { return -1; }
  const PortStats& stats() override { return stats_; }

  // Cuts or mends the wire, for both ends: what is flushed while it is cut is dropped as tx_error_link_down.
  void set_link(bool up) { wire_->up = up; }

 private:
  using Bytes = std::vector<uint8_t>;
  struct Wire {
    bool up = true;
    size_t queue_max = 0;
    std::deque<Bytes> frames[2];  // to end 0, to end 1
  };
  MemoryPort(std::string name, std::shared_ptr<Wire> wire, size_t end)
      : name_(std::move(name)), wire_(std::move(wire)), end_(end) {}

  std::string name_;
  std::shared_ptr<Wire> wire_;
  size_t end_;
  std::vector<Bytes> held_;
  std::vector<Frame> queued_;
  PortStats stats_;
};

}  // namespace phalanx

#endif
