// Builds whole frames field by field, with right lengths and checksums: for control datagrams and for tests.
#ifndef PHALANX_HOST_PACKET_PACKET_BUILDER_HPP
#define PHALANX_HOST_PACKET_PACKET_BUILDER_HPP

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "host/packet/ethernet.hpp"

namespace phalanx {

// PacketBuilder().macs(to, from).ip(source, destination).udp(8116, 8116).payload(bytes).build()
// Each call sets one thing; the last of tcp(), udp(), icmp() and protocol() counts. Lengths and checksums are computed
// unless a call says otherwise. Not for the per-packet path: it allocates.
class PacketBuilder {
 public:
  PacketBuilder& macs(const MacAddress& destination, const MacAddress& source);
  PacketBuilder& vlan(uint16_t id);                                          // outermost first, at most two
  PacketBuilder& ip(const IpAddress& source, const IpAddress& destination);  // both of one family
  PacketBuilder& ip(std::string_view source, std::string_view destination);  // asserts that they parse
  PacketBuilder& ttl(uint8_t ttl);                                           // 64 unless said
  PacketBuilder& dscp(uint8_t dscp);
  PacketBuilder& ip_id(uint16_t id);
  PacketBuilder& dont_fragment(bool df = true);
  PacketBuilder& ip_options(absl::Span<const uint8_t> options);  // IPv4; padded to 4 bytes with end-of-options
  // IPv6: an extension header of type `type`, 2 + body.size() bytes, padded to 8; next-header fields are chained.
  PacketBuilder& extension(uint8_t type, absl::Span<const uint8_t> body);
  // Makes the packet a fragment: the payload given is the fragment's own data, cut out of the datagram by the caller
  // with cut(). `offset` in bytes, a multiple of 8. IPv6 gets a fragment header.
  PacketBuilder& fragment(uint32_t id, uint16_t offset, bool more);
  // Of the transport header and payload as built whole, only bytes [begin, end) are put in: for fragments of a
  // datagram.
  PacketBuilder& cut(uint32_t begin, uint32_t end);

  PacketBuilder& tcp(uint16_t source, uint16_t destination, uint8_t flags, uint32_t seq = 0, uint32_t ack = 0);
  PacketBuilder& window(uint16_t window);                         // 65535 unless said
  PacketBuilder& tcp_options(absl::Span<const uint8_t> options);  // padded to 4 bytes with end-of-options
  PacketBuilder& udp(uint16_t source, uint16_t destination);
  PacketBuilder& zero_checksum();                                      // UDP: no checksum
  PacketBuilder& icmp(uint8_t type, uint8_t code, uint32_t rest = 0);  // ICMP or ICMPv6 by family; `rest`: bytes 4 to 7
  PacketBuilder& echo(bool request, uint16_t id, uint16_t seq);        // ICMP or ICMPv6 by family
  PacketBuilder& protocol(uint8_t protocol);                           // no transport header
  PacketBuilder& payload(absl::Span<const uint8_t> bytes);
  PacketBuilder& payload(std::string_view text);
  PacketBuilder& payload_size(uint32_t bytes);  // a pattern
  PacketBuilder& padding(uint32_t bytes);       // behind the IP packet
  // Leaves the transport checksum to the device (kNeedsChecksum); with a gso_size other than 0 also the segmentation.
  PacketBuilder& partial_checksum(uint16_t gso_size = 0);

  // virtio-net header and Ethernet frame.
  std::vector<uint8_t> build() const;
  // The IP packet alone, as an ICMP error would quote it.
  std::vector<uint8_t> build_ip() const;

 private:
  struct Extension {
    uint8_t type;
    std::vector<uint8_t> bytes;  // whole header; its first byte is set when the chain is known
  };
  enum class Transport : uint8_t { kNone, kTcp, kUdp, kIcmp };

  // The transport header and payload, whole; `checksum_field` gets the checksum's place in it, 0 if it has none.
  std::vector<uint8_t> transport_bytes(uint32_t& checksum_field) const;
  std::vector<uint8_t> header_bytes(uint32_t& checksum_field) const;
  uint8_t transport_protocol() const;
  std::vector<uint8_t> ipv4_header(size_t data) const;
  std::vector<uint8_t> ipv6_header(size_t data) const;
  // The IP packet; `l4` gets where its transport header begins.
  std::vector<uint8_t> ip_bytes(uint32_t& l4, uint32_t& checksum_field) const;
  void set_vnet(std::vector<uint8_t>& frame, uint32_t l3, uint32_t l4, uint32_t checksum_field) const;

  LinkHeader link_{{0x02, 0, 0, 0, 0, 0x02}, {0x02, 0, 0, 0, 0, 0x01}, {0, 0}, 0};
  IpAddress source_ = IpAddress::v4(0x0a000001);
  IpAddress destination_ = IpAddress::v4(0x0a000002);
  uint8_t ttl_ = 64;
  uint8_t dscp_ = 0;
  uint16_t ip_id_ = 0;
  bool dont_fragment_ = false;
  std::vector<uint8_t> ip_options_;
  std::vector<Extension> extensions_;
  bool is_fragment_ = false;
  uint32_t fragment_id_ = 0;
  uint16_t fragment_offset_ = 0;
  bool more_fragments_ = false;
  bool cut_ = false;
  uint32_t cut_begin_ = 0;
  uint32_t cut_end_ = 0;
  Transport transport_ = Transport::kNone;
  uint8_t protocol_ = 253;  // for experiments (RFC 3692)
  uint16_t source_port_ = 0;
  uint16_t destination_port_ = 0;
  uint8_t tcp_flags_ = 0;
  uint32_t seq_ = 0;
  uint32_t ack_ = 0;
  uint16_t window_ = 65535;
  std::vector<uint8_t> tcp_options_;
  bool zero_checksum_ = false;
  uint8_t icmp_type_ = 0;
  uint8_t icmp_code_ = 0;
  uint32_t icmp_rest_ = 0;
  std::vector<uint8_t> payload_;
  uint32_t padding_ = 0;
  bool partial_checksum_ = false;
  uint16_t gso_size_ = 0;
};

// A view of a frame that build() made.
inline Frame frame_of(std::vector<uint8_t>& bytes) { return {bytes.data(), static_cast<uint32_t>(bytes.size())}; }

}  // namespace phalanx

#endif
