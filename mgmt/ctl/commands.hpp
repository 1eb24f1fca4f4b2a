// The commands of phalanxctl. Each does its call, prints data on standard output and messages on standard error, and
// gives the exit code.
#ifndef PHALANX_MGMT_CTL_COMMANDS_HPP
#define PHALANX_MGMT_CTL_COMMANDS_HPP

#include <string>
#include <vector>

#include "mgmt/ctl/client.hpp"
#include "phalanx/v1/cluster.pb.h"
#include "phalanx/v1/session.pb.h"

namespace phalanx::ctl {

// watch: shows each change until the member goes away or the user does.
ExitCode cluster_status(Client& client, bool watch);
// yes: without it, a terminal is asked and anything else refused.
ExitCode cluster_failover(Client& client, const std::string& reason, bool yes);
ExitCode cluster_set(Client& client, v1::AdminState state, const std::string& reason);

// Filter flags as given; empty: not set.
struct FilterFlags {
  std::string source;
  std::string destination;
  std::string port;
  std::string protocol;
  std::string state;
  std::string rule;
};
// False (explained on standard error) if a flag's value is no good.
bool make_filter(const FilterFlags& flags, v1::SessionFilter& filter);

ExitCode session_list(Client& client, const v1::SessionFilter& filter, uint64_t limit);
ExitCode session_count(Client& client, const v1::SessionFilter& filter);
ExitCode session_delete(Client& client, const v1::SessionFilter& filter, bool all);

ExitCode counters(Client& client, bool drops);
ExitCode links(Client& client);
ExitCode health(Client& client);
ExitCode version(Client& client);

struct CardFlags {
  std::string card;      // device; empty: the member's only one
  std::string file;      // load: the xclbin
  std::string manifest;  // load: beside it if empty
};
ExitCode cards_list(Client& client);
// Sends the file and shows how far the member is.
ExitCode cards_load(Client& client, const CardFlags& flags);
// kExitDegraded if a test failed.
ExitCode cards_self_test(Client& client, const CardFlags& flags);
ExitCode cards_sensors(Client& client, const CardFlags& flags);
ExitCode cards_reset(Client& client, const CardFlags& flags);

struct KeysOptions {
  std::string folder;
  std::vector<std::string> members;
  std::vector<std::string> addresses;  // NAME=ADDRESS, or one for each member in order
  int days = 3650;
};
// Makes a certificate authority, a certificate for each member and for the operator, and the cluster key.
ExitCode keys_init(const KeysOptions& options);

}  // namespace phalanx::ctl

#endif
