// The networks: two switches with learning tables, and links whose frames can be lost, doubled, overtaken or late.
#ifndef PHALANX_TESTS_SIMULATION_NETWORK_HPP
#define PHALANX_TESTS_SIMULATION_NETWORK_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "host/packet/frame.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/scheduler.hpp"

namespace phalanx::simulation {

// A frame with its virtio-net header of zeros; shared by the copies of a flood, never changed.
using Bytes = std::vector<uint8_t>;
using SharedFrame = std::shared_ptr<const Bytes>;

// One direction of a link.
struct Impairment {
  double loss = 0;
  double duplication = 0;
  double reordering = 0;  // probability that one is held for up to 2 ms
  int64_t delay_ns = 0;
  bool down = false;
  uint64_t hits = 0;  // frames it has changed the fate of
};

// Carries something over an impaired direction: calls `arrive` never, once or twice, later.
void carry(Scheduler& scheduler, Random& random, Impairment& impairment, const std::function<void()>& arrive);

// A bridge as IEEE 802.1Q describes: learns who is where, floods what it doesn't know. Members are on ports 0 and 1.
class Switch {
 public:
  struct Port {
    std::function<void(const SharedFrame&)> deliver;
    Impairment in;   // towards the switch
    Impairment out;  // away from it
  };
  Switch(Scheduler* scheduler, Random* random) : scheduler_(scheduler), random_(random) {}

  size_t add_port(std::function<void(const SharedFrame&)> deliver);
  void send(size_t port, SharedFrame frame);
  Port& port(size_t index) { return *ports_[index]; }
  void flush(size_t port);
  // Frames from member `from` don't reach member `to`.
  bool cut[2] = {false, false};  // [from]
  uint64_t cut_hits = 0;
  bool is_hub = false;  // floods everything: what makes two deciders visible

 private:
  void forward(size_t from, const SharedFrame& frame);
  Scheduler* scheduler_;
  Random* random_;
  std::vector<std::unique_ptr<Port>> ports_;
  absl::flat_hash_map<MacAddress, size_t> table_;
};

}  // namespace phalanx::simulation

#endif
