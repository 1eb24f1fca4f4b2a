// phalanxctl: what an operator asks of a member of the cluster.
#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>

#include "mgmt/ctl/client.hpp"
#include "mgmt/ctl/commands.hpp"

namespace phalanx::ctl {
namespace {

constexpr double kTimeoutMax = 3600;

// What was asked for; run when the whole command line has been understood.
struct Chosen {
  std::function<ExitCode()> local;           // needs no member
  std::function<ExitCode(Client&)> command;  // on a connection
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("--target", options.target, "member: unix:/path or ADDRESS:PORT")
      ->envname("PHALANX_TARGET")
      ->capture_default_str();
  app.add_option("--ca", options.ca_file, "PEM file of the cluster's authority")->envname("PHALANX_CA");
  app.add_option("--cert", options.certificate_file, "PEM file of your certificate")->envname("PHALANX_CERT");
  app.add_option("--key", options.key_file, "PEM file of its key")->envname("PHALANX_KEY");
  app.add_option("--server-name", options.server_name, "name in the member's certificate, if not the target's address");
  const std::map<std::string, Output> outputs = {{"table", Output::kTable}, {"json", Output::kJson}};
  app.add_option("--output", options.output, "table or json")
      ->transform(CLI::CheckedTransformer(outputs))
      ->default_str("table");
  app.add_option("--timeout", options.timeout_s, "seconds for a call")
      ->check(CLI::Range(0.001, kTimeoutMax))
      ->capture_default_str();
}

CLI::App* add_command(CLI::App& parent, const char* name, const char* help) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->fallthrough();  // global options may stand behind a command
  return command;
}

class CommandLine {
 public:
  CommandLine() : app_("Phalanx, a high-availability cluster for security gateways") {
    app_.require_subcommand(1);
    app_.fallthrough();
    add_options(app_, options_);
    add_cluster();
    add_session();
    add_system();
    add_cards();
    add_keys();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      // CLI11's own codes are many; help is no error.
      return app_.exit(e) == 0 ? kExitOk : kExitUsage;
    }
    if (chosen_.local) return chosen_.local();
    Client client(options_);
    const ExitCode connected = client.connect();
    return connected == kExitOk ? chosen_.command(client) : connected;
  }

 private:
  void add_cluster() {
    CLI::App* cluster = add_command(app_, "cluster", "state of the cluster");
    cluster->require_subcommand(1);
    CLI::App* status = add_command(*cluster, "status", "members, critical devices, failovers, sync");
    status->add_flag("--watch", flag_, "show every change");
    status->callback([this] { chosen_.command = [this](Client& c) { return cluster_status(c, flag_); }; });
    CLI::App* failover = add_command(*cluster, "failover", "hand over to the best standby member");
    failover->add_option("--reason", reason_, "for the log");
    failover->add_flag("--yes", flag_, "do not ask");
    failover->callback([this] { chosen_.command = [this](Client& c) { return cluster_failover(c, reason_, flag_); }; });
    add_admin(*cluster, "down", "take the member out of service", v1::ADMIN_STATE_DOWN);
    add_admin(*cluster, "up", "take the member back into service", v1::ADMIN_STATE_UP);
  }

  void add_admin(CLI::App& cluster, const char* name, const char* help, v1::AdminState state) {
    CLI::App* command = add_command(cluster, name, help);
    command->add_option("--reason", reason_, "for the log");
    command->callback(
        [this, state] { chosen_.command = [this, state](Client& c) { return cluster_set(c, state, reason_); }; });
  }

  CLI::App* add_filtered(CLI::App& session, const char* name, const char* help,
                         std::function<ExitCode(Client&, const v1::SessionFilter&)> run) {
    CLI::App* command = add_command(session, name, help);
    command->add_option("--source", filter_.source, "address or prefix of the originator");
    command->add_option("--destination", filter_.destination, "address or prefix of the responder");
    command->add_option("--port", filter_.port, "port of either side");
    command->add_option("--protocol", filter_.protocol, "tcp, udp, icmp, ..., or a number");
    command->add_option("--state", filter_.state, "tcp_established, udp_stream, ...");
    command->add_option("--rule", filter_.rule, "name of the policy rule");
    command->callback([this, run = std::move(run)] {
      v1::SessionFilter filter;
      if (make_filter(filter_, filter)) {
        chosen_.command = [run, filter](Client& c) { return run(c, filter); };
      } else {
        chosen_.local = [] { return kExitUsage; };
      }
    });
    return command;
  }

  void add_session() {
    CLI::App* session = add_command(app_, "session", "the session table");
    session->require_subcommand(1);
    add_filtered(*session, "list", "sessions that fit",
                 [this](Client& c, const v1::SessionFilter& f) { return session_list(c, f, limit_); })
        ->add_option("--limit", limit_, "sessions at most, 0: all")
        ->capture_default_str();
    add_filtered(*session, "count", "how many fit", session_count);
    add_filtered(*session, "delete", "end those that fit", [this](Client& c, const v1::SessionFilter& f) {
      return session_delete(c, f, flag_);
    })->add_flag("--all", flag_, "required if every session fits");
  }

  void add_system() {
    CLI::App* all = add_command(app_, "counters", "what the member has counted");
    all->add_flag("--drops", flag_, "drops only");
    all->callback([this] { chosen_.command = [this](Client& c) { return counters(c, flag_); }; });
    add_command(app_, "links", "data and sync links")->callback([this] { chosen_.command = links; });
    add_command(app_, "health", "whether the member serves, or could")->callback([this] { chosen_.command = health; });
    add_command(app_, "version", "what the member runs")->callback([this] { chosen_.command = version; });
  }

  void add_card_command(CLI::App& cards, const char* name, const char* help,
                        ExitCode (*act)(Client&, const CardFlags&)) {
    CLI::App* command = add_command(cards, name, help);
    command->add_option("--card", card_.card, "device, such as 0000:65:00.1; default: the member's only one");
    if (act == &cards_load) {
      command->add_option("FILE", card_.file, "the xclbin")->required();
      command->add_option("--manifest", card_.manifest, "its manifest, if not beside it");
    }
    command->callback([this, act] { chosen_.command = [this, act](Client& c) { return act(c, card_); }; });
  }

  void add_cards() {
    CLI::App* cards = add_command(app_, "cards", "accelerator cards");
    cards->require_subcommand(1);
    add_command(*cards, "list", "what they are and do")->callback([this] { chosen_.command = cards_list; });
    add_card_command(*cards, "load", "put a bitstream on a card while the gateway runs", cards_load);
    add_card_command(*cards, "self-test", "run each kernel on known answers", cards_self_test);
    add_card_command(*cards, "sensors", "what the card says of itself", cards_sensors);
    add_card_command(*cards, "reset", "reset a card and take it back into use", cards_reset);
  }

  void add_keys() {
    CLI::App* keys = add_command(app_, "keys", "certificates and the cluster key");
    keys->require_subcommand(1);
    CLI::App* init = add_command(*keys, "init", "make them all for a new cluster");
    init->add_option("DIR", keys_.folder, "where to put them")->required();
    init->add_option("--members", keys_.members, "names, separated by commas")->delimiter(',')->required();
    init->add_option("--address", keys_.addresses, "NAME=ADDRESS, or one for each member in order")->delimiter(',');
    init->add_option("--days", keys_.days, "validity")->check(CLI::Range(1, 36500))->capture_default_str();
    init->callback([this] { chosen_.local = [this] { return keys_init(keys_); }; });
  }

  CLI::App app_;
  Options options_;
  Chosen chosen_;
  bool flag_ = false;
  std::string reason_;
  uint64_t limit_ = 100;
  FilterFlags filter_;
  CardFlags card_;
  KeysOptions keys_;
};

}  // namespace
}  // namespace phalanx::ctl

int main(int argc, char** argv) {
  try {
    return phalanx::ctl::CommandLine().run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "phalanxctl: " << e.what() << "\n";
    return phalanx::ctl::kExitFailed;
  }
}
