// The hosts' TCP (RFC 9293, the parts that a connection of whole segments needs): go-back by one segment, in-order
// receipt.
#include "host/packet/bytes.hpp"
#include "tests/simulation/host.hpp"

namespace phalanx::simulation {
namespace {

constexpr int64_t kTimeoutNs = 200 * kMillisecondNs, kTimeoutMaxNs = 800 * kMillisecondNs;
constexpr int64_t kTimeWaitNs = 2 * kSecondNs;
constexpr uint8_t kAck = hls::kTcpAck, kSyn = hls::kTcpSyn, kFin = hls::kTcpFin, kRst = hls::kTcpRst;

bool before(uint32_t x, uint32_t y) { return static_cast<int32_t>(x - y) < 0; }

}  // namespace

void Host::start_tcp(uint32_t flow, const IpAddress& server, uint16_t server_port, int64_t interval_ns,
                     uint32_t requests, bool abort) {
  const Key key{hls::kProtocolTcp, next_port_++, server, server_port};
  Tcp& tcp = tcp_[key];
  tcp.flow = flow;
  tcp.client = true;
  tcp.abort = abort;
  tcp.una = tcp.next = tcp.end = static_cast<uint32_t>(random_->next());
  tcp.requests = requests == 0 ? UINT32_MAX : requests;
  tcp.interval_ns = interval_ns;
  ++tcp.next, ++tcp.end;
  send_tcp(key, tcp, kSyn, tcp.una, false);
  arm(key, tcp, kTimeoutNs);
}

// One more request, if the last ones have left; then the next.
void Host::tcp_request(Key key) {
  const auto found = tcp_.find(key);
  if (found == tcp_.end() || quiet_) return;
  Tcp& tcp = found->second;
  Flow& flow = (*flows_)[tcp.flow];
  if (tcp.state != TcpState::kEstablished) return;
  if (tcp.requests == 0) return close(key, tcp);
  if (tcp.requests != UINT32_MAX) --tcp.requests;
  ++flow.sent;
  tcp.end += kSegmentBytes;
  push(key, tcp);
  scheduler_->after(tcp.interval_ns, [this, key] { tcp_request(key); });
}

void Host::close(const Key& key, Tcp& tcp) {
  Flow& flow = (*flows_)[tcp.flow];
  flow.closing = true;
  if (tcp.abort) {
    send_tcp(key, tcp, kRst | kAck, tcp.next, false);
    flow.done = true;
    tcp_.erase(key);
    return;
  }
  tcp.fin_wanted = true;
  push(key, tcp);
}

// Sends what there is to send; each segment begins at a multiple of its size, so that its payload always says whose it
// is.
void Host::push(const Key& key, Tcp& tcp) {
  const bool idle = tcp.una == tcp.next;
  while (before(tcp.next, tcp.end)) {
    send_tcp(key, tcp, kAck | hls::kTcpPsh, tcp.next, true);
    tcp.next += kSegmentBytes;
  }
  if (tcp.fin_wanted && tcp.next == tcp.end && tcp.state == TcpState::kEstablished) {
    tcp.state = tcp.client ? TcpState::kFinWait : TcpState::kLastAck;
    send_tcp(key, tcp, kFin | kAck, tcp.next, false);
    ++tcp.next;
  }
  if (idle && tcp.una != tcp.next) arm(key, tcp, kTimeoutNs);
}

void Host::send_tcp(const Key& key, const Tcp& tcp, uint8_t flags, uint32_t seq, bool payload) {
  const auto& [protocol, own_port, peer, peer_port] = key;
  PacketBuilder packet = builder(peer).tcp(own_port, peer_port, flags, seq, (flags & kAck) ? tcp.received : 0);
  if (payload) {
    uint8_t bytes[kSegmentBytes] = {};
    store32(bytes, kPayloadMagic);
    store32(bytes + 4, tcp.flow);
    store32(bytes + 8, seq);
    packet.payload(bytes);
  }
  send_ip(peer, packet);
}

void Host::arm(const Key& key, Tcp& tcp, int64_t timeout_ns) {
  tcp.timeout_ns = timeout_ns;
  const uint64_t timer = ++tcp.timer;
  scheduler_->after(timeout_ns, [this, key, timer] { timeout(key, timer); });
}

void Host::timeout(const Key& key, uint64_t timer) {
  const auto found = tcp_.find(key);
  if (found == tcp_.end() || found->second.timer != timer) return;
  Tcp& tcp = found->second;
  if (tcp.state == TcpState::kTimeWait) {
    (*flows_)[tcp.flow].done = true;
    tcp_.erase(found);
    return;
  }
  if (tcp.una == tcp.next) return;
  if (tcp.state == TcpState::kSynSent || tcp.state == TcpState::kSynReceived) {
    send_tcp(key, tcp, tcp.client ? kSyn : kSyn | kAck, tcp.una, false);
  } else if (before(tcp.una, tcp.end)) {
    send_tcp(key, tcp, kAck | hls::kTcpPsh, tcp.una, true);
  } else {
    send_tcp(key, tcp, kFin | kAck, tcp.una, false);
  }
  arm(key, tcp, std::min(2 * tcp.timeout_ns, kTimeoutMaxNs));
}

void Host::take_tcp(const Frame& frame, const ParsedPacket& packet) {
  const uint8_t* header = frame.ethernet() + packet.l4;
  const uint32_t seq = load32(header + 4), ack = load32(header + 8);
  const uint8_t flags = header[13] & 0x3f;
  const uint32_t end = packet.l3 + packet.l3_length;
  const absl::Span<const uint8_t> payload{frame.ethernet() + packet.payload, end - packet.payload};
  const Key key{hls::kProtocolTcp, packet.destination_port, packet.source, packet.source_port};
  auto found = tcp_.find(key);
  if (found == tcp_.end()) {
    if (flags & kRst) return;
    if ((flags & (kSyn | kAck)) != kSyn || packet.destination_port >= 20000) {
      Tcp none;
      none.received = seq + static_cast<uint32_t>(payload.size()) + ((flags & (kSyn | kFin)) ? 1 : 0);
      return send_tcp(key, none, kRst | kAck, (flags & kAck) ? ack : 0, false);
    }
    Tcp& tcp = tcp_[key];
    tcp.state = TcpState::kSynReceived;
    tcp.received = seq + 1;
    tcp.una = static_cast<uint32_t>(random_->next());
    tcp.next = tcp.end = tcp.una + 1;
    send_tcp(key, tcp, kSyn | kAck, tcp.una, false);
    return arm(key, tcp, kTimeoutNs);
  }
  Tcp& tcp = found->second;
  if (flags & kRst) {
    // RFC 5961: exactly where it is expected, or in answer to our SYN.
    if (seq != tcp.received && tcp.state != TcpState::kSynSent) return;
    if (tcp.flow != 0) {
      Flow& flow = (*flows_)[tcp.flow];
      if (tcp.client || !flow.closing) flow.reset = !flow.closing;
      flow.done = true;
    }
    tcp_.erase(found);
    return;
  }
  if (take_handshake(key, tcp, flags, seq, ack)) return;
  if ((flags & kAck) && before(tcp.una, ack) && !before(tcp.next, ack)) {
    tcp.una = ack;
    ++tcp.timer;
    if (tcp.una != tcp.next) arm(key, tcp, kTimeoutNs);
    if (tcp.state == TcpState::kLastAck && tcp.una == tcp.next) {
      tcp_.erase(found);
      return;
    }
  }
  take_segment(key, tcp, flags, seq, payload);
}

// True: the segment has been dealt with.
bool Host::take_handshake(const Key& key, Tcp& tcp, uint8_t flags, uint32_t seq, uint32_t ack) {
  if (tcp.state == TcpState::kSynSent) {
    if ((flags & (kSyn | kAck)) != (kSyn | kAck) || ack != tcp.next) return true;
    tcp.state = TcpState::kEstablished;
    tcp.received = seq + 1;
    tcp.una = ack;
    ++tcp.timer;
    (*flows_)[tcp.flow].established_ns = scheduler_->now_ns();
    (*flows_)[tcp.flow].answered_ns = scheduler_->now_ns();
    send_tcp(key, tcp, kAck, tcp.next, false);
    scheduler_->after(tcp.interval_ns, [this, key] { tcp_request(key); });
    return true;
  }
  if (flags & kSyn) {
    // Our SYN+ACK was lost; or an old one: a challenge ACK (RFC 5961, 4).
    if (tcp.state == TcpState::kSynReceived) {
      send_tcp(key, tcp, kSyn | kAck, tcp.una, false);
    } else {
      send_tcp(key, tcp, kAck, tcp.next, false);
    }
    return true;
  }
  if (tcp.state == TcpState::kSynReceived && (flags & kAck) && ack == tcp.next) tcp.state = TcpState::kEstablished;
  return false;
}

void Host::take_segment(const Key& key, Tcp& tcp, uint8_t flags, uint32_t seq, absl::Span<const uint8_t> payload) {
  if (payload.empty() && !(flags & kFin)) return;
  if (seq != tcp.received) return send_tcp(key, tcp, kAck, tcp.next, false);
  const uint32_t id = flow_of_payload(payload);
  if (!payload.empty()) {
    if (tcp.flow == 0) tcp.flow = id;
    if (id != tcp.flow) {
      ++misdelivered_;
      return;
    }
    Flow& flow = (*flows_)[id];
    tcp.received += static_cast<uint32_t>(payload.size());
    if (tcp.client) {
      ++flow.answered;
      flow.answered_ns = scheduler_->now_ns();
    } else {
      flow.server_established = true;
      tcp.end += kSegmentBytes;  // the echo, which carries the acknowledgement
      if (!(flags & kFin) && tcp.state == TcpState::kEstablished) return push(key, tcp);
    }
  }
  if (flags & kFin) {
    ++tcp.received;
    if (tcp.client) {
      tcp.state = TcpState::kTimeWait;
      arm(key, tcp, kTimeWaitNs);
    } else if (tcp.state == TcpState::kEstablished) {
      tcp.fin_wanted = true;
      return push(key, tcp);
    }
  }
  send_tcp(key, tcp, kAck, tcp.next, false);
}

}  // namespace phalanx::simulation
