// The gRPC server of a member: the services of mgmt/proto over a Control, health checks (grpc.health.v1) and
// reflection.
#ifndef PHALANX_MGMT_SERVICE_SERVER_HPP
#define PHALANX_MGMT_SERVICE_SERVER_HPP

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mgmt/service/control.hpp"
#include "phalanx/v1/config.pb.h"

namespace phalanx::mgmt {

class Server {
 public:
  // Listens as config.management says: TCP with mutual TLS, the client's certificate being of the CA; unix sockets
  // (file mode 0600) without TLS. Full sync is given only to a certificate with the joiner's name. `config` is a
  // checked one; `control` must outlive the server. Errors: a file can't be read, an address can't be had.
  static absl::StatusOr<std::unique_ptr<Server>> start(const v1::Config& config, Control& control);

  virtual ~Server() = default;  // shuts down

  // Asks Control::healthy() and tells those who watch grpc.health.v1. Called by the daemon after each change of state;
  // the server also does it by itself after each change that a subscription reports.
  virtual void update_health() = 0;

  // Ends all calls and returns when they have ended, within kShutdownMax and the time of a call into Control.
  // Idempotent.
  virtual void shutdown() = 0;

  // TCP ports listened on, in the order of config.management.listen, 0 for a unix socket: what ":0" became.
  virtual std::vector<int> ports() const = 0;
};

}  // namespace phalanx::mgmt

#endif
