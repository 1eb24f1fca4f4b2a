// A data plane between two networks, with what it sends caught.
#ifndef PHALANX_TESTS_UNIT_GATEWAY_GATEWAY_HARNESS_HPP
#define PHALANX_TESTS_UNIT_GATEWAY_GATEWAY_HARNESS_HPP

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "drivers/cpu/cpu_engine.hpp"
#include "host/gateway/dataplane.hpp"
#include "host/packet/packet_builder.hpp"

namespace phalanx::gateway::harness {

inline constexpr int64_t kMs = 1'000'000;
inline constexpr MacAddress kClientMac = {2, 0, 0, 0, 0, 0x11}, kServerMac = {2, 0, 0, 0, 0, 0x22};
inline constexpr MacAddress kInsideMac = {0, 0x1c, 0x7f, 0, 1, 0}, kOutsideMac = {0, 0x1c, 0x7f, 0, 1, 1};

struct Sent {
  PortIndex device;
  std::vector<uint8_t> bytes;
  ParsedPacket packet;
};

struct Options {
  policy::RuleAction action = policy::RuleAction::kAccept;
  std::vector<policy::NatRule> nat;
  std::optional<uint16_t> outside_vlan;
  uint32_t outside_mtu = 1500;
  bool neighbours = true;
  // What stands between the data plane and the CPU engine, if anything.
  std::function<std::unique_ptr<Accelerator>(Accelerator*)> front = {};
};

// Clients in 10.1/16 and 2001:db8:1::/64 on device 0, servers in 10.2/16 and 2001:db8:2::/64 on device 1; the gateway
// is .1.
class Gateway : public FrameSink, public ChangeSink, public EventSink {
 public:
  explicit Gateway(const Options& options = {});

  // Gives what has been sent, parsed.
  std::vector<Sent> receive(DeviceIndex device, const PacketBuilder& packet);
  std::vector<Sent> take();
  PacketBuilder from_client(std::string_view source, std::string_view destination) const {
    return PacketBuilder().macs(kInsideMac, kClientMac).ip(source, destination);
  }
  PacketBuilder from_server(std::string_view source, std::string_view destination) const {
    return PacketBuilder().macs(kOutsideMac, kServerMac).ip(source, destination);
  }
  uint64_t dropped(DropReason reason) const { return dataplane->drops()[reason]; }

  void send(PortIndex device, const Frame& frame) override;
  void flush() override;
  void changed(int64_t, absl::Span<const abi::Record> records) override { changes += records.size(); }
  void burst_done(int64_t) override {}
  void event(std::string_view) override {}

  int64_t now_ns = kMs;
  uint64_t changes = 0;
  uint64_t changes_at_first_frame = 0;
  std::unique_ptr<CpuEngine> engine;
  std::unique_ptr<Accelerator> front;
  std::unique_ptr<Dataplane> dataplane;

 private:
  std::vector<Sent> sent_;
};

}  // namespace phalanx::gateway::harness

#endif
