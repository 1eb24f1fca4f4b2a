// Packets on their way through the data plane's steps.
#ifndef PHALANX_HOST_GATEWAY_BURST_HPP
#define PHALANX_HOST_GATEWAY_BURST_HPP

#include <array>
#include <cstdint>

#include "host/packet/drop_reason.hpp"
#include "host/packet/frame.hpp"
#include "host/packet/parse.hpp"
#include "host/policy/nat.hpp"
#include "kernels/abi/operation.hpp"

namespace phalanx::gateway {

// Records read from the engine's change log with a group: each of its packets may change a session, and as many ended
// by age may be there already. 128 of 160 bytes stay in the L1 cache.
inline constexpr size_t kExtractMax = size_t{2} * kBurstMax;
// Groups in flight, if the engine wants so many (Accelerator::batches_ahead). Memory: 50 KiB each.
inline constexpr size_t kGroupsMax = 8;
// Packets of a round through the slow path: all that a wave of groups can bring.
inline constexpr size_t kRoundMax = kGroupsMax * kBurstMax;

struct Item {
  Frame frame;
  ParsedPacket packet;
  PortIndex port;
};

// Packets that came in together: one LOOKUP each, and behind them an EXTRACT, in one batch.
struct Group {
  size_t count = 0;  // of items
  std::array<Item, kBurstMax> items;
  std::array<abi::Operation, kBurstMax + 1> operations;
  std::array<abi::Completion, kBurstMax + 1> completions;
  std::array<abi::Record, kExtractMax> extracted;
};

// What is decided once for a session that is to be opened.
struct Opening {
  policy::FlowQuery query;
  policy::NatDecision destination;
  policy::NatDecision source;
  uint16_t rule = 0;
  uint32_t attempt = 0;  // hide NAT: of the port that is proposed
};

// A packet on the slow path, which is gone through in rounds of one batch each.
struct Pending {
  enum class Step : uint8_t {
    kDecide,  // has no session: rules, NAT and routes decide
    kOpen,    // accepted: INSERT
    kFollow,  // a packet before it opens or has opened its flow's session: LOOKUP
    kHeld,    // later fragment of a first one that passed: LOOKUP
    kDone,
  };
  static constexpr uint32_t kNone = ~uint32_t{0};

  Item* item;
  Step step;
  bool by_itself = false;      // has followed in vain: opens its session itself
  uint32_t operation = kNone;  // of the round in flight
  Opening opening;
};

}  // namespace phalanx::gateway

#endif
