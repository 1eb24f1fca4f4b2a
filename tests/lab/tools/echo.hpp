// The UDP echo that probe and rtt measure against.
#ifndef PHALANX_TESTS_LAB_TOOLS_ECHO_HPP
#define PHALANX_TESTS_LAB_TOOLS_ECHO_HPP

#include <cstdint>

#include "tests/lab/tools/tool.hpp"

namespace phalanx::lab {

// What a probe carries, in the machine's byte order: both ends are of one lab.
struct ProbePayload {
  uint64_t magic = 0;
  uint64_t sequence = 0;
  int64_t sent_ns = 0;    // the client's clock
  int64_t echoed_ns = 0;  // the server's clock when it arrived there
  uint64_t run = 0;       // of this client's run
};
inline constexpr uint64_t kProbeMagic = 0x65626f7270786870;  // "phxprobe"
inline constexpr int64_t kSecondsMax = 86400;

// Echoes probes to `local` for `seconds` or until stopped, and prints counts as JSON. With `follow` a line when ready.
int run_echo_server(const Address& local, int64_t seconds, bool follow);
// A UDP socket bound to `source` (or any) and connected to `to`, nonblocking.
int open_probe_socket(const Address& to, const std::vector<Address>& source);

}  // namespace phalanx::lab

#endif
