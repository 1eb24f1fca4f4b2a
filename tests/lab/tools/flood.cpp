// phalanx-flood: IPv4/UDP frames from many flows, as fast as they go or at a rate, past the host's own stack.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "tests/lab/tools/echo.hpp"

namespace phalanx::lab {
namespace {

constexpr size_t kBurst = 64;
constexpr size_t kHeaderBytes = 42;          // Ethernet, IPv4, UDP
constexpr uint32_t kPortsPerSource = 60000;  // 1024..61023
constexpr int64_t kCatchUpNs = 10'000'000;   // a generator that was held up sends this much at once, no more

void put16(uint8_t* at, size_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}
void put32(uint8_t* at, uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}

class Flood {
 public:
  explicit Flood(const Options& options);
  void run();
  Json result() const;

 private:
  void write_frame(uint8_t* frame, uint64_t number);
  uint64_t send_burst(size_t count);

  int fd_ = -1;
  uint64_t flows_, rate_;
  int64_t seconds_;
  uint32_t source_ = 0;
  uint32_t base_sum_ = 0;  // of the IP header without source
  size_t bytes_;
  std::vector<uint8_t> memory_;
  std::array<iovec, kBurst> pieces_ = {};
  std::array<mmsghdr, kBurst> messages_ = {};
  uint64_t offered_ = 0, sent_ = 0, errors_ = 0;
  double elapsed_s_ = 0;
  std::vector<std::string> per_second_;
};

Flood::Flood(const Options& options)
    : flows_(static_cast<uint64_t>(options.number("flows", 1, 10'000'000))),
      rate_(static_cast<uint64_t>(options.number("rate", 0, 100'000'000))),
      seconds_(options.number("seconds", 1, kSecondsMax)),
      bytes_(static_cast<size_t>(options.number("size", 64, 1518)) - 4),
      memory_(bytes_ * kBurst) {
  const Address source = parse_address(options.text("src-ip"), 0),
                destination = parse_address(options.text("dst-ip"), 0);
  if (source.family() != AF_INET || destination.family() != AF_INET) fail("IPv4 only");
  source_ = ntohl(reinterpret_cast<const sockaddr_in&>(source.storage).sin_addr.s_addr);
  const auto source_mac = parse_mac(options.text("src-mac")), destination_mac = parse_mac(options.text("dst-mac"));
  std::array<uint8_t, kHeaderBytes> header = {};
  std::copy(destination_mac.begin(), destination_mac.end(), header.begin());
  std::copy(source_mac.begin(), source_mac.end(), header.begin() + 6);
  put16(&header[12], 0x0800);
  header[14] = 0x45;
  put16(&header[16], bytes_ - 14);
  header[22] = 64;
  header[23] = IPPROTO_UDP;
  put32(&header[30], ntohl(reinterpret_cast<const sockaddr_in&>(destination.storage).sin_addr.s_addr));
  for (size_t i = 14; i < 34; i += 2) base_sum_ += static_cast<uint32_t>(header[i] << 8 | header[i + 1]);
  put16(&header[36], static_cast<size_t>(options.number("port", 1, 65535)));
  put16(&header[38], bytes_ - 34);
  for (size_t i = 0; i < kBurst; ++i) {
    std::copy(header.begin(), header.end(), memory_.begin() + static_cast<ptrdiff_t>(i * bytes_));
    pieces_[i] = {memory_.data() + i * bytes_, bytes_};
    messages_[i].msg_hdr.msg_iov = &pieces_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }

  sockaddr_ll link = {};
  link.sll_family = AF_PACKET;
  link.sll_ifindex = static_cast<int>(if_nametoindex(options.text("interface").c_str()));
  if (link.sll_ifindex == 0) fail("no interface \"" + options.text("interface") + "\"");
  fd_ = socket(AF_PACKET, SOCK_RAW, 0);
  const int one = 1, buffer = 4 << 20;
  if (fd_ < 0 || setsockopt(fd_, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) != 0 ||
      setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer) != 0 ||
      bind(fd_, reinterpret_cast<const sockaddr*>(&link), sizeof link) != 0) {
    fail_errno("AF_PACKET socket");
  }
}

// Flow by flow in turn: source port and, beyond 60000 flows, source address.
void Flood::write_frame(uint8_t* frame, uint64_t number) {
  const uint64_t flow = number % flows_;
  const uint32_t source = source_ + static_cast<uint32_t>(flow / kPortsPerSource);
  put32(frame + 26, source);
  uint32_t sum = base_sum_ + (source >> 16) + (source & 0xffff);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  put16(frame + 24, ~sum & 0xffff);
  put16(frame + 34, 1024 + flow % kPortsPerSource);
}

uint64_t Flood::send_burst(size_t count) {
  for (size_t i = 0; i < count; ++i) write_frame(memory_.data() + i * bytes_, offered_ + i);
  offered_ += count;
  uint64_t sent = 0;
  for (size_t next = 0; next < count;) {
    const int result = sendmmsg(fd_, &messages_[next], static_cast<unsigned>(count - next), 0);
    if (result > 0) {
      sent += static_cast<uint64_t>(result);
      next += static_cast<size_t>(result);
    } else {
      ++errors_;
      ++next;
    }
  }
  return sent;
}

void Flood::run() {
  const int64_t start_ns = now_ns(), end_ns = start_ns + seconds_ * 1'000'000'000;
  int64_t second_end_ns = start_ns + 1'000'000'000, base_ns = start_ns;
  uint64_t base_offered = 0, second_sent = 0;
  int64_t now = start_ns;
  for (; !stopped() && now < end_ns; now = now_ns()) {
    size_t count = kBurst;
    if (rate_ > 0) {
      const auto due =
          base_offered + static_cast<uint64_t>(static_cast<double>(now - base_ns) / 1e9 * static_cast<double>(rate_));
      if (due <= offered_) {
        sleep_until(now + std::clamp<int64_t>(1'000'000'000 / static_cast<int64_t>(rate_), 20'000, 1'000'000));
        continue;
      }
      const uint64_t late_max = rate_ * kCatchUpNs / 1'000'000'000 + kBurst;
      if (due - offered_ > late_max) {
        base_ns = now;
        base_offered = offered_;
        continue;
      }
      count = std::min<uint64_t>(kBurst, due - offered_);
    }
    sent_ += send_burst(count);
    if (now >= second_end_ns) {
      per_second_.push_back(std::to_string(sent_ - second_sent));
      second_sent = sent_;
      second_end_ns += 1'000'000'000;
    }
  }
  elapsed_s_ = static_cast<double>(now - start_ns) / 1e9;
  close(fd_);
}

Json Flood::result() const {
  Json json;
  json.add("offered", offered_).add("sent", sent_).add("errors", errors_).add("flows", flows_);
  json.add("wire_bytes", uint64_t{bytes_ + 4}).add("seconds", elapsed_s_);
  json.add("kpps", elapsed_s_ > 0 ? static_cast<double>(sent_) / elapsed_s_ / 1e3 : 0.0);
  json.add_raw("per_second", json_array(per_second_));
  return json;
}

}  // namespace
}  // namespace phalanx::lab

int main(int argc, char** argv) {
  using namespace phalanx::lab;
  const Options options(argc, argv, "generator of IPv4/UDP frames", {},
                        {{"interface", nullptr, "where to send"},
                         {"src-mac", nullptr, "source MAC"},
                         {"dst-mac", nullptr, "the gateway's (virtual) MAC"},
                         {"src-ip", nullptr, "first source address; 60000 flows each"},
                         {"dst-ip", nullptr, "destination address"},
                         {"port", "9000", "UDP destination port"},
                         {"flows", "64", "number of flows, in turn"},
                         {"size", "64", "bytes on the wire, frame check sequence (4) included"},
                         {"rate", "0", "packets a second; 0: as fast as they go"},
                         {"seconds", "5", "how long"}});
  catch_signals();
  Flood flood(options);
  flood.run();
  flood.result().print();
  return 0;
}
