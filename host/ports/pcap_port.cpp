#include "host/ports/pcap_port.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "host/ports/packet_socket.hpp"

namespace phalanx {
namespace {

constexpr int kSnapBytes = 262144;  // what libpcap's own tools use; more than kFrameBytesMax

// A copy of the Ethernet frame with the checksum that the offload header leaves open filled in (RFC 1071: the field
// holds the pseudo-header's sum, so the sum over everything from the start, complemented, is the checksum).
std::vector<uint8_t> complete_checksum(const Frame& frame) {
  std::vector<uint8_t> bytes(frame.ethernet(), frame.ethernet() + frame.ethernet_length());
  const VirtioNetHeader& vnet = frame.vnet();
  const size_t field = size_t{vnet.checksum_start} + vnet.checksum_offset;
  if (!(vnet.flags & kNeedsChecksum) || field + 2 > bytes.size()) return bytes;
  uint64_t sum = 0;
  for (size_t i = vnet.checksum_start; i < bytes.size(); ++i) {
    const bool high = (i - vnet.checksum_start) % 2 == 0;
    sum += high ? uint64_t{bytes[i]} << 8 : bytes[i];
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  uint16_t checksum = static_cast<uint16_t>(~sum);
  if (checksum == 0) checksum = 0xffff;  // UDP's zero means "none" (RFC 768); for TCP both are the same number
  bytes[field] = static_cast<uint8_t>(checksum >> 8);
  bytes[field + 1] = static_cast<uint8_t>(checksum);
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PcapPort>> PcapPort::open(const PcapPortOptions& options) {
  std::unique_ptr<PcapPort> port(new PcapPort(options));
  if (!options.read_path.empty()) {
    std::array<char, PCAP_ERRBUF_SIZE> error = {};
    port->reader_.reset(pcap_open_offline(options.read_path.c_str(), error.data()));
    if (port->reader_ == nullptr)
      return absl::InvalidArgumentError(absl::StrCat(options.read_path, ": ", error.data()));
    if (pcap_datalink(port->reader_.get()) != DLT_EN10MB) {
      return absl::InvalidArgumentError(absl::StrCat(options.read_path, ": link type is not Ethernet"));
    }
    port->finished_ = false;
  }
  if (!options.write_path.empty()) {
    port->writer_.reset(pcap_open_dead(DLT_EN10MB, kSnapBytes));
    if (port->writer_ == nullptr) return absl::ResourceExhaustedError("pcap_open_dead");
    port->dump_.reset(pcap_dump_open(port->writer_.get(), options.write_path.c_str()));
    if (port->dump_ == nullptr) return absl::InvalidArgumentError(pcap_geterr(port->writer_.get()));
  }
  return port;
}

size_t PcapPort::receive(absl::Span<Frame> burst) {
  size_t count = 0;
  while (count < burst.size() && !finished_) {
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    const int result = pcap_next_ex(reader_.get(), &header, &bytes);
    if (result != 1) {
      finished_ = true;
      if (result != PCAP_ERROR_BREAK) ++stats_.rx_errors;  // not the end of the file, but a damaged record
      break;
    }
    if (header->caplen < header->len || header->caplen > kFrameBytesMax - sizeof(VirtioNetHeader)) {
      ++stats_.rx_truncated;
      continue;
    }
    if (header->caplen < kEthernetHeaderBytes) {
      ++stats_.rx_malformed;
      continue;
    }
    std::vector<uint8_t>& frame = held_.emplace_back(sizeof(VirtioNetHeader) + header->caplen);
    std::copy(bytes, bytes + header->caplen, frame.begin() + sizeof(VirtioNetHeader));
    burst[count++] = {frame.data(), static_cast<uint32_t>(frame.size())};
    ++stats_.received;
    stats_.received_bytes += header->caplen;
  }
  return count;
}

void PcapPort::queue(const Frame& frame) {
  if (queued_.size() == kBurstMax) flush();
  queued_.push_back(frame);
}

void PcapPort::flush() {
  for (const Frame& frame : queued_) {
    if (dump_ != nullptr) {
      const std::vector<uint8_t> bytes = complete_checksum(frame);
      pcap_pkthdr header = {};
      header.ts.tv_sec = static_cast<time_t>(stats_.sent / 1'000'000);
      header.ts.tv_usec = static_cast<suseconds_t>(stats_.sent % 1'000'000);
      header.caplen = header.len = static_cast<bpf_u_int32>(bytes.size());
      pcap_dump(reinterpret_cast<u_char*>(dump_.get()), &header, bytes.data());
    }
    ++stats_.sent;
    stats_.sent_bytes += frame.ethernet_length();
  }
  queued_.clear();
  // A full disk shows here; frames of this flush may be in the file in part.
  if (dump_ != nullptr && pcap_dump_flush(dump_.get()) != 0) ++stats_.tx_error_other, ++stats_.tx_dropped;
}

}  // namespace phalanx
