// One line about a packet, for logs.
#ifndef PHALANX_HOST_PACKET_TEXT_HPP
#define PHALANX_HOST_PACKET_TEXT_HPP

#include <string>

#include "host/packet/parse.hpp"

namespace phalanx {

// "TCP 10.0.0.1:1024 > 192.0.2.1:80 [S] seq 1 ack 0 len 0", "ICMP 10.0.0.1 > 10.0.0.2 echo request id 7", "ARP"...
std::string to_text(const ParsedPacket& packet);

}  // namespace phalanx

#endif
