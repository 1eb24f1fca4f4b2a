#include "tests/simulation/network.hpp"

#include <cstring>

#include "host/packet/parse.hpp"

namespace phalanx::simulation {
namespace {

// Cables and switches of a rack.
constexpr int64_t kHopMinNs = 10 * kMicrosecondNs, kHopMaxNs = 30 * kMicrosecondNs;
constexpr int64_t kReorderMaxNs = 2 * kMillisecondNs;

MacAddress mac_at(const Bytes& frame, size_t offset) {
  MacAddress mac;
  std::memcpy(mac.data(), frame.data() + sizeof(VirtioNetHeader) + offset, mac.size());
  return mac;
}

}  // namespace

void carry(Scheduler& scheduler, Random& random, Impairment& impairment, const std::function<void()>& arrive) {
  if (impairment.down || (impairment.loss > 0 && random.chance(impairment.loss))) {
    ++impairment.hits;
    return;
  }
  int64_t delay_ns = random.between(kHopMinNs, kHopMaxNs) + impairment.delay_ns;
  if (impairment.delay_ns != 0) ++impairment.hits;
  if (impairment.reordering > 0 && random.chance(impairment.reordering)) {
    ++impairment.hits;
    delay_ns += random.between(0, kReorderMaxNs);
  }
  if (impairment.duplication > 0 && random.chance(impairment.duplication)) {
    ++impairment.hits;
    scheduler.after(delay_ns + random.between(0, kReorderMaxNs), arrive);
  }
  scheduler.after(delay_ns, arrive);
}

size_t Switch::add_port(std::function<void(const SharedFrame&)> deliver) {
  ports_.push_back(std::make_unique<Port>());
  ports_.back()->deliver = std::move(deliver);
  return ports_.size() - 1;
}

void Switch::send(size_t from, SharedFrame frame) {
  carry(*scheduler_, *random_, ports_[from]->in, [this, from, frame = std::move(frame)] { forward(from, frame); });
}

void Switch::flush(size_t port) {
  absl::erase_if(table_, [port](const auto& entry) { return entry.second == port; });
}

void Switch::forward(size_t from, const SharedFrame& frame) {
  const MacAddress destination = mac_at(*frame, 0), source = mac_at(*frame, 6);
  if ((source[0] & 1) == 0) table_[source] = from;
  const auto known = table_.find(destination);
  const bool flood = is_hub || (destination[0] & 1) != 0 || known == table_.end();
  for (size_t to = 0; to < ports_.size(); ++to) {
    if (to == from || (!flood && known->second != to)) continue;
    if (from < 2 && to < 2 && cut[from]) {
      ++cut_hits;
      continue;
    }
    Port* port = ports_[to].get();
    carry(*scheduler_, *random_, port->out, [port, frame] { port->deliver(frame); });
  }
}

}  // namespace phalanx::simulation
