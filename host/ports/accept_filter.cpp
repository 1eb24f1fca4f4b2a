#include "host/ports/accept_filter.hpp"

#include <sys/socket.h>

#include <cassert>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "host/ports/fd.hpp"

namespace phalanx {
namespace {

// Offsets in the Ethernet header, which the kernel shows to the program with the VLAN tag taken out.
constexpr uint32_t kDestinationHigh = 0, kDestinationLow = 2, kSourceHigh = 6, kSourceMagic = 10;
constexpr uint8_t kAcceptTarget = 0xff;  // stands for "accept" until the program's length is known
constexpr uint32_t kWholeFrame = 0xffffffff;

sock_filter load(uint16_t size, uint32_t offset) {
  return BPF_STMT(static_cast<uint16_t>(BPF_LD | size | BPF_ABS), offset);
}

sock_filter jump(uint16_t test, uint32_t value, uint8_t if_true, uint8_t if_false) {
  return BPF_JUMP(static_cast<uint16_t>(BPF_JMP | test | BPF_K), value, if_true, if_false);
}

void append_destination(std::vector<sock_filter>& program, const MacAddress& mac) {
  const uint32_t high = uint32_t{mac[0]} << 8 | mac[1];
  const uint32_t low = uint32_t{mac[2]} << 24 | uint32_t{mac[3]} << 16 | uint32_t{mac[4]} << 8 | mac[5];
  program.push_back(load(BPF_W, kDestinationLow));
  program.push_back(jump(BPF_JEQ, low, 0, 2));
  program.push_back(load(BPF_H, kDestinationHigh));
  program.push_back(jump(BPF_JEQ, high, kAcceptTarget, 0));
}

void append_magic(std::vector<sock_filter>& program, uint8_t magic) {
  program.push_back(load(BPF_W, kSourceHigh));
  program.push_back(jump(BPF_JEQ, 0, 0, 2));
  program.push_back(load(BPF_B, kSourceMagic));
  program.push_back(jump(BPF_JEQ, magic, kAcceptTarget, 0));
}

}  // namespace

absl::StatusOr<std::vector<sock_filter>> compile_accept_filter(const AcceptFilter& filter) {
  if (filter.destinations.size() > kAcceptMacsMax) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kAcceptMacsMax, " MAC addresses on one port"));
  }
  if (filter.source_magics.size() > kAcceptMagicsMax) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kAcceptMagicsMax, " MAC magics on one port"));
  }
  std::vector<sock_filter> program;
  if (filter.group) {
    program.push_back(load(BPF_B, kDestinationHigh));
    program.push_back(jump(BPF_JSET, 1, kAcceptTarget, 0));  // the group bit of IEEE 802
  }
  for (const MacAddress& mac : filter.destinations) append_destination(program, mac);
  for (const uint8_t magic : filter.source_magics) append_magic(program, magic);
  program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, kWholeFrame));

  const size_t accept = program.size() - 1;
  for (size_t i = 0; i < program.size(); ++i) {
    if (program[i].jt != kAcceptTarget) continue;
    assert(accept - i - 1 < kAcceptTarget);
    program[i].jt = static_cast<uint8_t>(accept - i - 1);
  }
  return program;
}

absl::Status attach_filter(int fd, const std::vector<sock_filter>& program) {
  std::vector<sock_filter> copy = program;
  const sock_fprog whole = {static_cast<unsigned short>(copy.size()), copy.data()};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &whole, sizeof whole) != 0) {
    return errno_status(errno, "SO_ATTACH_FILTER");
  }
  return absl::OkStatus();
}

}  // namespace phalanx
