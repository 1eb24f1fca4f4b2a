#include "host/ports/port.hpp"

#include <cerrno>

namespace phalanx {

void count_send_error(PortStats& stats, int error, uint64_t frames) {
  stats.tx_dropped += frames;
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case EINTR:
      stats.tx_error_queue_full += frames;
      return;
    case ENETDOWN:
    case ENXIO:
    case ENODEV:
      stats.tx_error_link_down += frames;
      return;
    case EMSGSIZE:
      stats.tx_error_too_long += frames;
      return;
    case EINVAL:
      stats.tx_error_invalid += frames;
      return;
    default:
      stats.tx_error_other += frames;
      return;
  }
}

}  // namespace phalanx
