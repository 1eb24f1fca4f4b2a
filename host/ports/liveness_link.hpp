// One TCP connection between each two members on the sync network. When a member's process dies, its kernel closes the
// connection, and the others know within a round trip. Silence says nothing here: keepalive is off, CCP is for that.
#ifndef PHALANX_HOST_PORTS_LIVENESS_LINK_HPP
#define PHALANX_HOST_PORTS_LIVENESS_LINK_HPP

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/ports/epoll.hpp"
#include "host/ports/fd.hpp"
#include "host/ports/socket_address.hpp"

namespace phalanx {

inline constexpr uint16_t kLivenessTcpPort = 8118;
// Accepted connections that haven't said who they are: two for each of 8 members. More are refused.
inline constexpr size_t kLivenessPendingMax = 16;
inline constexpr int64_t kLivenessBackoffMinNs = 50'000'000;       // a restarted daemon is back within it
inline constexpr int64_t kLivenessBackoffMaxNs = 1'000'000'000;    // 50 ms doubled: 50, 100, 200, 400, 800, 1000
inline constexpr int64_t kLivenessHelloTimeoutNs = 1'000'000'000;  // connect and hello together
inline constexpr uint32_t kLivenessUserTimeoutMs = 1000;           // RFC 5482: unacknowledged hello

struct LivenessPeer {
  uint8_t member = 0;
  IpAddress address;
};

struct LivenessOptions {
  uint8_t member = 0;
  IpAddress local;
  uint16_t port = kLivenessTcpPort;
  std::string device = {};  // only this interface, if not empty
  std::vector<LivenessPeer> peers = {};
};

// Why a connection ended.
#define PHALANX_LIVENESS_CLOSE_REASONS(X)                        \
  X(peer_closed, "the peer's process or kernel closed it")       \
  X(reset, "the peer's kernel reset it: the process is gone")    \
  X(timed_out, "what was sent was not acknowledged in time")     \
  X(replaced, "the same member connected anew")                  \
  X(protocol_error, "the peer sent something else than a hello") \
  X(local_error, "an error of the socket here")

enum class LivenessCloseReason : uint8_t {
#define PHALANX_LIVENESS_REASON(name, text) name,
  PHALANX_LIVENESS_CLOSE_REASONS(PHALANX_LIVENESS_REASON)
#undef PHALANX_LIVENESS_REASON
};
const char* to_string(LivenessCloseReason reason);

struct LivenessEvent {
  uint8_t member = 0;
  bool opened = false;                                            // false: closed
  LivenessCloseReason reason = LivenessCloseReason::peer_closed;  // of closed
};

#define PHALANX_LIVENESS_COUNTERS(X)                                  \
  X(opened, "connections opened, hello exchanged")                    \
  X(closed, "open connections that ended")                            \
  X(connect_failed, "own attempts refused or without answer")         \
  X(refused_address, "accepted from an address that is no peer's")    \
  X(refused_hello, "hello wrong, or of another member than expected") \
  X(refused_full, "accepted beyond the limit of pending ones")        \
  X(hello_timeouts, "accepted, but no hello in time")

struct LivenessStats {
#define PHALANX_LIVENESS_COUNTER(name, text) uint64_t name = 0;
  PHALANX_LIVENESS_COUNTERS(PHALANX_LIVENESS_COUNTER)
#undef PHALANX_LIVENESS_COUNTER
};

struct LivenessConnection;  // of this folder only

// All liveness connections of this member. Of each two members the one with the higher id connects, the other accepts.
// Not for several threads at once.
class LivenessLinks {
 public:
  static absl::StatusOr<std::unique_ptr<LivenessLinks>> open(const LivenessOptions& options, int64_t now_ns);
  ~LivenessLinks();

  // Readable when poll() has something to do.
  int fd() const { return epoll_.fd(); }
  // Does what can be done now, never waits, and gives what happened, in order.
  std::vector<LivenessEvent> poll(int64_t now_ns);
  // When poll() must be called at the latest even if fd() is quiet; INT64_MAX if never.
  int64_t next_timer_ns() const;

  bool is_open(uint8_t member) const;
  uint16_t port() const { return port_; }
  const LivenessStats& stats() const { return stats_; }

 private:
  struct Peer;
  explicit LivenessLinks(Epoll epoll);
  absl::Status listen(const LivenessOptions& options);
  void accept_all(int64_t now_ns);
  void start_connect(Peer& peer, int64_t now_ns);
  void handle_peer(Peer& peer, uint32_t ready, int64_t now_ns, std::vector<LivenessEvent>& events);
  void handle_pending(size_t index, std::vector<LivenessEvent>& events);
  void close_peer(Peer& peer, LivenessCloseReason reason, int64_t now_ns, std::vector<LivenessEvent>& events);
  void fail_connect(Peer& peer, int64_t now_ns);
  void open_peer(Peer& peer, std::vector<LivenessEvent>& events);
  void run_timers(int64_t now_ns);

  Epoll epoll_;
  LivenessOptions options_;
  uint16_t port_ = 0;
  UniqueFd listener_;
  std::vector<Peer> peers_;
  std::array<std::unique_ptr<LivenessConnection>, kLivenessPendingMax> pending_;
  LivenessStats stats_;
};

}  // namespace phalanx

#endif
