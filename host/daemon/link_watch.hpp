// Hears at once when one of a few interfaces goes up or down. Small enough for the real-time thread; the whole mirror
// of routes has a thread of its own.
#ifndef PHALANX_HOST_DAEMON_LINK_WATCH_HPP
#define PHALANX_HOST_DAEMON_LINK_WATCH_HPP

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "host/ports/fd.hpp"

namespace phalanx::daemon {

struct LinkChange {
  size_t index = 0;  // place in the list of names
  bool up = false;   // set up, and with carrier
};

class LinkWatch {
 public:
  static absl::StatusOr<std::unique_ptr<LinkWatch>> open(std::vector<std::string> names);
  int fd() const { return socket_.get(); }
  // What is different from before; the first call tells those that are down. Never waits.
  std::vector<LinkChange> poll();

 private:
  LinkWatch(std::vector<std::string> names, UniqueFd socket);
  std::vector<std::string> names_;
  std::vector<bool> up_;
  UniqueFd socket_;
};

}  // namespace phalanx::daemon

#endif
