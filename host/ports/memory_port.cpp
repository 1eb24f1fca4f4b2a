#include "host/ports/memory_port.hpp"

#include <cerrno>

namespace phalanx {

std::pair<std::unique_ptr<MemoryPort>, std::unique_ptr<MemoryPort>> MemoryPort::make_pair(const std::string& name_a,
                                                                                          const std::string& name_b,
                                                                                          size_t queue_max) {
  auto wire = std::make_shared<Wire>();
  wire->queue_max = queue_max;
  return {std::unique_ptr<MemoryPort>(new MemoryPort(name_a, wire, 0)),
          std::unique_ptr<MemoryPort>(new MemoryPort(name_b, wire, 1))};
}

size_t MemoryPort::receive(absl::Span<Frame> burst) {
  std::deque<Bytes>& arrived = wire_->frames[end_];
  size_t count = 0;
  for (; count < burst.size() && !arrived.empty(); ++count) {
    // Moving a vector, and the vector of vectors growing, leave its bytes where they are.
    held_.push_back(std::move(arrived.front()));
    arrived.pop_front();
    burst[count] = {held_.back().data(), static_cast<uint32_t>(held_.back().size())};
    ++stats_.received;
    stats_.received_bytes += burst[count].ethernet_length();
  }
  return count;
}

void MemoryPort::flush() {
  std::deque<Bytes>& target = wire_->frames[1 - end_];
  for (const Frame& frame : queued_) {
    if (!wire_->up || target.size() >= wire_->queue_max) {
      count_send_error(stats_, wire_->up ? ENOBUFS : ENETDOWN, 1);
      continue;
    }
    target.emplace_back(frame.data, frame.data + frame.length);
    ++stats_.sent;
    stats_.sent_bytes += frame.ethernet_length();
  }
  queued_.clear();
}

}  // namespace phalanx
