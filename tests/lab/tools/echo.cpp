#include "tests/lab/tools/echo.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace phalanx::lab {

int run_echo_server(const Address& local, int64_t seconds, bool follow) {
  const int fd = socket(local.family(), SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (fd < 0 || bind(fd, local.get(), local.length) != 0) fail_errno("bind");
  if (follow) Json().add("ready", true).print();
  const int64_t end_ns = now_ns() + seconds * 1'000'000'000;
  constexpr size_t kBurst = 32;
  constexpr size_t kBytes = 2048;
  static std::array<std::array<uint8_t, kBytes>, kBurst> memory;
  std::array<Address, kBurst> from;
  std::array<iovec, kBurst> pieces;
  std::array<mmsghdr, kBurst> messages = {};
  uint64_t received = 0, echoed = 0, foreign = 0;
  while (!stopped() && now_ns() < end_ns) {
    pollfd wait = {fd, POLLIN, 0};
    if (poll(&wait, 1, 100) <= 0) continue;
    for (size_t i = 0; i < kBurst; ++i) {
      pieces[i] = {memory[i].data(), kBytes};
      messages[i].msg_hdr = {&from[i].storage, sizeof from[i].storage, &pieces[i], 1, nullptr, 0, 0};
    }
    const int count = recvmmsg(fd, messages.data(), kBurst, MSG_DONTWAIT, nullptr);
    const int64_t arrived_ns = now_ns();
    for (int i = 0; i < count; ++i) {
      mmsghdr& message = messages[static_cast<size_t>(i)];
      ProbePayload payload;
      if (message.msg_len < sizeof payload) {
        ++foreign;
        continue;
      }
      uint8_t* bytes = memory[static_cast<size_t>(i)].data();
      std::memcpy(&payload, bytes, sizeof payload);
      if (payload.magic != kProbeMagic) {
        ++foreign;
        continue;
      }
      ++received;
      payload.echoed_ns = arrived_ns;
      std::memcpy(bytes, &payload, sizeof payload);
      message.msg_hdr.msg_iov->iov_len = message.msg_len;
      if (sendmsg(fd, &message.msg_hdr, MSG_DONTWAIT) > 0) ++echoed;
    }
  }
  close(fd);
  Json().add("received", received).add("echoed", echoed).add("foreign", foreign).print();
  return 0;
}

int open_probe_socket(const Address& to, const std::vector<Address>& source) {
  const int fd = socket(to.family(), SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (fd < 0) fail_errno("socket");
  if (!source.empty() && bind(fd, source[0].get(), source[0].length) != 0) fail_errno("bind");
  if (connect(fd, to.get(), to.length) != 0) fail_errno("connect");
  return fd;
}

}  // namespace phalanx::lab
