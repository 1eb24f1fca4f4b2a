// Network namespaces for tests. They have no name: the last descriptor closed, also by a crash, takes them and their
// interfaces along. Needs CAP_SYS_ADMIN.
#ifndef PHALANX_TESTS_UNIT_PORTS_TEST_NETWORK_HPP
#define PHALANX_TESTS_UNIT_PORTS_TEST_NETWORK_HPP

#include <poll.h>

#include <functional>
#include <string>
#include <vector>

#include "host/ports/fd.hpp"
#include "host/ports/port.hpp"

namespace phalanx::test {

class NetworkNamespace {
 public:
  NetworkNamespace();  // loopback is up, IPv6 is off, so that the kernel says nothing by itself

  // Runs `work` on a thread inside; sockets it opens stay inside.
  void inside(const std::function<void()>& work) const;
  // Runs a shell command inside and expects it to succeed.
  void run(const std::string& command) const;
  // For ip(8): "ip link add a type veth peer name b netns PATH".
  std::string path() const;

 private:
  UniqueFd fd_;
};

// A pair of interfaces, up, with MACs 02:00:00:00:00:0a and 02:00:00:00:00:0b.
void add_veth(const NetworkNamespace& a, const std::string& name_a, const NetworkNamespace& b,
              const std::string& name_b);

// Frames as bytes, virtio-net header first.
using Bytes = std::vector<uint8_t>;
// An IPv4/UDP frame with `payload` bytes, from 02:..:0a to `destination`; no checksum.
Bytes udp_frame(const MacAddress& destination, size_t payload, uint16_t destination_port = 9,
                const MacAddress& source = {2, 0, 0, 0, 0, 0x0a});
// A TCP segment to be cut by the link: `payload` bytes in pieces of `gso_size`, partial checksum, tagged if `vlan` > 0.
Bytes tcp_gso_frame(const MacAddress& destination, size_t payload, uint16_t gso_size, uint16_t vlan = 0);

void send_one(Port& port, Bytes& frame);
// Waits for up to `count` frames, 2 seconds each, and gives copies.
std::vector<Bytes> receive_copies(Port& port, size_t count);
// Whether the descriptor is readable within `timeout_ms`.
bool readable(int fd, int timeout_ms);

}  // namespace phalanx::test

#endif
