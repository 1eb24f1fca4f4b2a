// Simple hosts beside the gateway: ARP and neighbour discovery, UDP and ICMP echo, and a small TCP.
#ifndef PHALANX_TESTS_SIMULATION_HOST_HPP
#define PHALANX_TESTS_SIMULATION_HOST_HPP

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "host/packet/packet_builder.hpp"
#include "host/packet/parse.hpp"
#include "tests/simulation/network.hpp"

namespace phalanx::simulation {

inline constexpr uint32_t kSegmentBytes = 32;  // all of TCP's segments, and the payload of each datagram
inline constexpr uint32_t kPayloadMagic = 0x50484c58;

// A connection or an echo flow as its two ends see it; one per flow, shared by both hosts.
struct Flow {
  uint32_t id = 0;
  bool tcp = false;
  uint64_t sent = 0;      // requests
  uint64_t answered = 0;  // replies
  int64_t answered_ns = 0;
  int64_t established_ns = -1;  // client
  bool server_established = false;
  bool closing = false;  // by the client's own wish
  bool reset = false;    // by somebody else's RST
  bool done = false;
  bool asks = true;  // sends requests still
};

// A segment or datagram's payload names its flow; 0 if it has none.
uint32_t flow_of_payload(absl::Span<const uint8_t> payload);

class Host {
 public:
  struct Config {
    std::string name;
    MacAddress mac{};
    IpAddress v4, v6;
    IpAddress gateway_v4, gateway_v6;
  };
  Host(const Config& config, Scheduler* scheduler, Random* random, std::map<uint32_t, Flow>* flows,
       std::function<void(SharedFrame)> send)
      : config_(config), scheduler_(scheduler), random_(random), flows_(flows), send_(std::move(send)) {}

  const Config& config() const { return config_; }
  void receive(const SharedFrame& frame);

  // Client side. `interval_ns` between requests.
  void start_echo(uint32_t flow, bool udp, const IpAddress& server, uint16_t server_port, int64_t interval_ns);
  // Sends `requests` segments (0: without end), then closes by FIN or RST.
  void start_tcp(uint32_t flow, const IpAddress& server, uint16_t server_port, int64_t interval_ns, uint32_t requests,
                 bool abort);
  // No more requests; connections stay.
  void quiet() { quiet_ = true; }

  // Payloads of flows that aren't this host's.
  uint64_t misdelivered() const { return misdelivered_; }

 private:
  using Key = std::tuple<uint8_t, uint16_t, IpAddress, uint16_t>;  // protocol, own port, peer, its port
  enum class TcpState : uint8_t { kSynSent, kSynReceived, kEstablished, kFinWait, kTimeWait, kLastAck, kClosed };
  struct Tcp {
    TcpState state = TcpState::kSynSent;
    uint32_t flow = 0;
    bool client = false;
    bool abort = false;
    uint32_t una = 0, next = 0, end = 0;  // sent and acknowledged, sent, to be sent; fin not counted in `end`
    uint32_t received = 0;                // next expected
    uint32_t requests = 0;                // still to be made; UINT32_MAX: without end
    int64_t interval_ns = 0;
    int64_t timeout_ns = 0;
    uint64_t timer = 0;  // generation of the live one
    bool fin_wanted = false;
  };

  IpAddress own(uint8_t family) const { return family == 4 ? config_.v4 : config_.v6; }
  PacketBuilder builder(const IpAddress& to) const;
  void send_ip(const IpAddress& to, const PacketBuilder& packet);
  void ask(const IpAddress& gateway);
  void learn(const IpAddress& address, const MacAddress& mac);
  void take_arp(const Frame& frame, const ParsedPacket& packet);
  void take_nd(const Frame& frame, const ParsedPacket& packet);
  void take_echo(const ParsedPacket& packet, absl::Span<const uint8_t> payload);
  void take_tcp(const Frame& frame, const ParsedPacket& packet);
  bool take_handshake(const Key& key, Tcp& tcp, uint8_t flags, uint32_t seq, uint32_t ack);
  void take_segment(const Key& key, Tcp& tcp, uint8_t flags, uint32_t seq, absl::Span<const uint8_t> payload);
  void echo_request(uint32_t flow, bool udp, IpAddress server, uint16_t port, uint16_t own_port, int64_t interval_ns);
  void tcp_request(Key key);
  void send_tcp(const Key& key, const Tcp& tcp, uint8_t flags, uint32_t seq, bool payload);
  void push(const Key& key, Tcp& tcp);
  void arm(const Key& key, Tcp& tcp, int64_t timeout_ns);
  void timeout(const Key& key, uint64_t timer);
  void close(const Key& key, Tcp& tcp);

  Config config_;
  Scheduler* scheduler_;
  Random* random_;
  std::map<uint32_t, Flow>* flows_;
  std::function<void(SharedFrame)> send_;
  bool quiet_ = false;
  uint16_t next_port_ = 20000;
  std::map<IpAddress, MacAddress> neighbours_;
  std::map<IpAddress, std::deque<PacketBuilder>> waiting_;
  std::map<Key, Tcp> tcp_;
  uint64_t misdelivered_ = 0;
};

}  // namespace phalanx::simulation

#endif
