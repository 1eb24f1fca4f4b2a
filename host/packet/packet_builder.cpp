#include "host/packet/packet_builder.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "host/packet/checksum.hpp"
#include "host/packet/ip_header.hpp"

namespace phalanx {
namespace {

// Options come in words of 4 bytes; zeros end the list.
std::vector<uint8_t> padded_options(absl::Span<const uint8_t> options) {
  std::vector<uint8_t> bytes(options.begin(), options.end());
  bytes.resize((bytes.size() + 3) & ~size_t{3});
  assert(bytes.size() <= 40);
  return bytes;
}

void append(std::vector<uint8_t>& to, const std::vector<uint8_t>& bytes) {
  const size_t before = to.size();
  to.resize(before + bytes.size());
  std::copy(bytes.begin(), bytes.end(), to.begin() + static_cast<ptrdiff_t>(before));
}

}  // namespace

PacketBuilder& PacketBuilder::macs(const MacAddress& destination, const MacAddress& source) {
  link_.destination = destination;
  link_.source = source;
  return *this;
}

PacketBuilder& PacketBuilder::vlan(uint16_t id) {
  assert(link_.vlan_count < kVlanTagsMax);
  link_.vlan[link_.vlan_count++] = id;
  return *this;
}

PacketBuilder& PacketBuilder::ip(const IpAddress& source, const IpAddress& destination) {
  assert(source.family == destination.family && source.family != 0);
  source_ = source;
  destination_ = destination;
  return *this;
}

PacketBuilder& PacketBuilder::ip(std::string_view source, std::string_view destination) {
  const absl::StatusOr<IpAddress> from = parse_ip(source);
  const absl::StatusOr<IpAddress> to = parse_ip(destination);
  assert(from.ok() && to.ok());
  return ip(from.value_or(source_), to.value_or(destination_));
}

PacketBuilder& PacketBuilder::ttl(uint8_t ttl) {
  ttl_ = ttl;
  return *this;
}

PacketBuilder& PacketBuilder::dscp(uint8_t dscp) {
  assert(dscp < 64);
  dscp_ = dscp;
  return *this;
}

PacketBuilder& PacketBuilder::ip_id(uint16_t id) {
  ip_id_ = id;
  return *this;
}

PacketBuilder& PacketBuilder::dont_fragment(bool df) {
  dont_fragment_ = df;
  return *this;
}

PacketBuilder& PacketBuilder::ip_options(absl::Span<const uint8_t> options) {
  ip_options_ = padded_options(options);
  return *this;
}

PacketBuilder& PacketBuilder::extension(uint8_t type, absl::Span<const uint8_t> body) {
  std::vector<uint8_t> bytes(2);
  bytes.insert(bytes.end(), body.begin(), body.end());
  bytes.resize((bytes.size() + 7) & ~size_t{7});
  bytes[1] = static_cast<uint8_t>(type == kProtocolAh ? bytes.size() / 4 - 2 : bytes.size() / 8 - 1);
  extensions_.push_back({type, std::move(bytes)});
  return *this;
}

PacketBuilder& PacketBuilder::fragment(uint32_t id, uint16_t offset, bool more) {
  assert(offset % 8 == 0);
  is_fragment_ = true;
  fragment_id_ = id;
  fragment_offset_ = offset;
  more_fragments_ = more;
  return *this;
}

PacketBuilder& PacketBuilder::cut(uint32_t begin, uint32_t end) {
  assert(begin <= end);
  cut_ = true;
  cut_begin_ = begin;
  cut_end_ = end;
  return *this;
}

PacketBuilder& PacketBuilder::tcp(uint16_t source, uint16_t destination, uint8_t flags, uint32_t seq, uint32_t ack) {
  transport_ = Transport::kTcp;
  source_port_ = source;
  destination_port_ = destination;
  tcp_flags_ = flags;
  seq_ = seq;
  ack_ = ack;
  return *this;
}

PacketBuilder& PacketBuilder::window(uint16_t window) {
  window_ = window;
  return *this;
}

PacketBuilder& PacketBuilder::tcp_options(absl::Span<const uint8_t> options) {
  tcp_options_ = padded_options(options);
  return *this;
}

PacketBuilder& PacketBuilder::udp(uint16_t source, uint16_t destination) {
  transport_ = Transport::kUdp;
  source_port_ = source;
  destination_port_ = destination;
  return *this;
}

PacketBuilder& PacketBuilder::zero_checksum() {
  zero_checksum_ = true;
  return *this;
}

PacketBuilder& PacketBuilder::icmp(uint8_t type, uint8_t code, uint32_t rest) {
  transport_ = Transport::kIcmp;
  icmp_type_ = type;
  icmp_code_ = code;
  icmp_rest_ = rest;
  return *this;
}

PacketBuilder& PacketBuilder::echo(bool request, uint16_t id, uint16_t seq) {
  const uint8_t v4 = request ? kIcmpEchoRequest : kIcmpEchoReply;
  const uint8_t v6 = request ? kIcmpV6EchoRequest : kIcmpV6EchoReply;
  return icmp(source_.is_v4() ? v4 : v6, 0, static_cast<uint32_t>(id) << 16 | seq);
}

PacketBuilder& PacketBuilder::protocol(uint8_t protocol) {
  transport_ = Transport::kNone;
  protocol_ = protocol;
  return *this;
}

PacketBuilder& PacketBuilder::payload(absl::Span<const uint8_t> bytes) {
  payload_.assign(bytes.begin(), bytes.end());
  return *this;
}

PacketBuilder& PacketBuilder::payload(std::string_view text) {
  payload_.assign(text.begin(), text.end());
  return *this;
}

PacketBuilder& PacketBuilder::payload_size(uint32_t bytes) {
  payload_.resize(bytes);
  for (uint32_t i = 0; i < bytes; ++i) payload_[i] = static_cast<uint8_t>(i * 7 + (i >> 8));
  return *this;
}

PacketBuilder& PacketBuilder::padding(uint32_t bytes) {
  padding_ = bytes;
  return *this;
}

PacketBuilder& PacketBuilder::partial_checksum(uint16_t gso_size) {
  partial_checksum_ = true;
  gso_size_ = gso_size;
  return *this;
}

uint8_t PacketBuilder::transport_protocol() const {
  switch (transport_) {
    case Transport::kTcp:
      return hls::kProtocolTcp;
    case Transport::kUdp:
      return hls::kProtocolUdp;
    case Transport::kIcmp:
      return source_.is_v4() ? hls::kProtocolIcmp : hls::kProtocolIcmpV6;
    case Transport::kNone:
      break;
  }
  return protocol_;
}

std::vector<uint8_t> PacketBuilder::header_bytes(uint32_t& checksum_field) const {
  std::vector<uint8_t> h;
  checksum_field = 0;
  switch (transport_) {
    case Transport::kTcp:
      h.resize(20);
      store16(&h[0], source_port_);
      store16(&h[2], destination_port_);
      store32(&h[4], seq_);
      store32(&h[8], ack_);
      h[12] = static_cast<uint8_t>((20 + tcp_options_.size()) / 4 << 4);
      h[13] = tcp_flags_;
      store16(&h[14], window_);
      append(h, tcp_options_);
      checksum_field = 16;
      break;
    case Transport::kUdp:
      h.resize(8);
      store16(&h[0], source_port_);
      store16(&h[2], destination_port_);
      store16(&h[4], static_cast<uint16_t>(8 + payload_.size()));
      checksum_field = 6;
      break;
    case Transport::kIcmp:
      h.resize(8);
      h[0] = icmp_type_;
      h[1] = icmp_code_;
      store32(&h[4], icmp_rest_);
      checksum_field = 2;
      break;
    case Transport::kNone:
      break;
  }
  return h;
}

std::vector<uint8_t> PacketBuilder::transport_bytes(uint32_t& checksum_field) const {
  std::vector<uint8_t> bytes = header_bytes(checksum_field);
  append(bytes, payload_);
  const auto length = static_cast<uint32_t>(bytes.size());
  if (checksum_field == 0 || (zero_checksum_ && transport_ == Transport::kUdp)) return bytes;
  IpHeader ip;
  ip.source = source_;
  ip.destination = destination_;
  ip.protocol = transport_protocol();
  const uint16_t value = partial_checksum_ ? sum_fold(pseudo_header_sum(source_, destination_, ip.protocol, length))
                                           : transport_checksum(ip, bytes.data(), length);
  store_raw(&bytes[checksum_field], value);
  return bytes;
}

std::vector<uint8_t> PacketBuilder::ipv4_header(size_t data) const {
  const size_t header = 20 + ip_options_.size();
  std::vector<uint8_t> h(20);
  h[0] = static_cast<uint8_t>(0x40 | header / 4);
  h[1] = static_cast<uint8_t>(dscp_ << 2);
  store16(&h[2], static_cast<uint16_t>(header + data));
  store16(&h[4], is_fragment_ ? static_cast<uint16_t>(fragment_id_) : ip_id_);
  store16(&h[6],
          static_cast<uint16_t>((dont_fragment_ ? 0x4000 : 0) | (more_fragments_ ? 0x2000 : 0) | fragment_offset_ / 8));
  h[8] = ttl_;
  h[9] = transport_protocol();
  store_address(&h[12], source_);
  store_address(&h[16], destination_);
  append(h, ip_options_);
  store_raw(&h[10], checksum(h.data(), h.size()));
  return h;
}

std::vector<uint8_t> PacketBuilder::ipv6_header(size_t data) const {
  std::vector<Extension> chain = extensions_;
  if (is_fragment_) {
    std::vector<uint8_t> bytes(8);
    store16(&bytes[2], static_cast<uint16_t>(fragment_offset_ | (more_fragments_ ? 1 : 0)));
    store32(&bytes[4], fragment_id_);
    chain.push_back({kProtocolFragment, std::move(bytes)});
  }
  std::vector<uint8_t> h(40);
  store32(&h[0], 6u << 28 | static_cast<uint32_t>(dscp_) << 22);
  h[7] = ttl_;
  store_address(&h[8], source_);
  store_address(&h[24], destination_);
  size_t next_header = 6;
  for (const Extension& extension : chain) {
    h[next_header] = extension.type;
    next_header = h.size();
    append(h, extension.bytes);
  }
  h[next_header] = transport_protocol();
  store16(&h[4], static_cast<uint16_t>(h.size() - 40 + data));
  return h;
}

std::vector<uint8_t> PacketBuilder::ip_bytes(uint32_t& l4, uint32_t& checksum_field) const {
  std::vector<uint8_t> data = transport_bytes(checksum_field);
  if (cut_) {
    const size_t end = std::min<size_t>(cut_end_, data.size());
    data = {data.begin() + static_cast<ptrdiff_t>(std::min<size_t>(cut_begin_, end)),
            data.begin() + static_cast<ptrdiff_t>(end)};
  }
  std::vector<uint8_t> packet = source_.is_v4() ? ipv4_header(data.size()) : ipv6_header(data.size());
  l4 = static_cast<uint32_t>(packet.size());
  append(packet, data);
  return packet;
}

void PacketBuilder::set_vnet(std::vector<uint8_t>& frame, uint32_t l3, uint32_t l4, uint32_t checksum_field) const {
  VirtioNetHeader vnet;
  vnet.flags = kNeedsChecksum;
  vnet.checksum_start = static_cast<uint16_t>(l3 + l4);
  vnet.checksum_offset = static_cast<uint16_t>(checksum_field);
  if (gso_size_ != 0) {
    const bool tcp = transport_ == Transport::kTcp;
    vnet.gso_type = tcp ? (source_.is_v4() ? kGsoTcpV4 : kGsoTcpV6) : kGsoUdpL4;
    vnet.gso_size = gso_size_;
    const size_t header = tcp ? 20 + tcp_options_.size() : 8;
    vnet.header_length = static_cast<uint16_t>(l3 + l4 + header);
  }
  std::memcpy(frame.data(), &vnet, sizeof(vnet));
}

std::vector<uint8_t> PacketBuilder::build() const {
  uint32_t l4 = 0;
  uint32_t checksum_field = 0;
  const std::vector<uint8_t> packet = ip_bytes(l4, checksum_field);
  std::vector<uint8_t> frame(sizeof(VirtioNetHeader) + link_.bytes());
  write_link(frame.data(), link_, source_.is_v4() ? kEthertypeIpv4 : kEthertypeIpv6);
  append(frame, packet);
  frame.resize(frame.size() + padding_);
  if (partial_checksum_ && checksum_field != 0) set_vnet(frame, link_.bytes(), l4, checksum_field);
  return frame;
}

std::vector<uint8_t> PacketBuilder::build_ip() const {
  uint32_t l4 = 0;
  uint32_t checksum_field = 0;
  return ip_bytes(l4, checksum_field);
}

}  // namespace phalanx
