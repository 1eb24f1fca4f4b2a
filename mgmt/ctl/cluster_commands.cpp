#include <unistd.h>

#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "mgmt/ctl/commands.hpp"
#include "mgmt/ctl/output.hpp"
#include "phalanx/v1/cluster.grpc.pb.h"

namespace phalanx::ctl {
namespace {

Colour colour_of(v1::MemberState state) {
  switch (state) {
    case v1::MEMBER_STATE_ACTIVE:
    case v1::MEMBER_STATE_STANDBY:
      return Colour::kGood;
    case v1::MEMBER_STATE_DOWN:
    case v1::MEMBER_STATE_LOST:
      return Colour::kBad;
    default:
      return Colour::kWarning;
  }
}

// Whether the cluster could lose any one member now and go on.
bool is_degraded(const v1::ClusterStatus& status) {
  int active = 0;
  for (const v1::MemberStatus& member : status.members()) {
    if (member.state() == v1::MEMBER_STATE_ACTIVE) ++active;
    if (member.state() != v1::MEMBER_STATE_ACTIVE && member.state() != v1::MEMBER_STATE_STANDBY) return true;
  }
  for (const v1::CriticalDevice& device : status.critical_devices()) {
    if (device.state() == v1::DEVICE_STATE_PROBLEM) return true;
  }
  const v1::SyncState sync = status.sync().state();
  return active != 1 || sync == v1::SYNC_STATE_FULL_SYNC || sync == v1::SYNC_STATE_PROBLEM;
}

std::string members_table(const v1::ClusterStatus& status, bool colours) {
  Table table({"ID", "NAME", "ADDRESS", "STATE", "PRIORITY", "LAST HEARD"});
  for (const v1::MemberStatus& member : status.members()) {
    table.add({absl::StrCat(member.id(), member.local() ? " (local)" : ""), member.name(), member.sync_address(),
               short_name(member.state()), absl::StrCat(member.priority()),
               member.local() ? "-" : duration_text(member.last_heard_age_ms())},
              {Colour::kNone, Colour::kNone, Colour::kNone, colour_of(member.state())});
  }
  return table.text(colours);
}

std::string devices_text(const v1::ClusterStatus& status, bool colours) {
  Table table({"DEVICE", "STATE", "SINCE", "DETAIL"});
  for (const v1::CriticalDevice& device : status.critical_devices()) {
    if (device.state() != v1::DEVICE_STATE_PROBLEM) continue;
    table.add({device.name(), short_name(device.state()), duration_text(device.since_age_ms()), device.detail()},
              {Colour::kNone, Colour::kBad});
  }
  if (table.rows() == 0) return absl::StrCat("Critical devices:   ", status.critical_devices_size(), ", no problem\n");
  return absl::StrCat("Critical devices:   ", status.critical_devices_size(), ", ", table.rows(),
                      table.rows() == 1 ? " with a problem\n" : " with problems\n", table.text(colours));
}

std::string history_text(const v1::ClusterStatus& status) {
  std::string out = "Last state change:  ";
  if (status.has_last_state_change()) {
    const v1::StateChange& change = status.last_state_change();
    absl::StrAppend(&out, printable(change.code()), " ", short_name(change.from()), " -> ", short_name(change.to()),
                    " at ", time_text(change.time()), ": ", printable(change.reason()), "\n");
  } else {
    out += "none\n";
  }
  out += "Last failover:      ";
  if (status.has_last_failover()) {
    const v1::FailoverRecord& record = status.last_failover();
    absl::StrAppend(&out, "member ", record.from_member_id(), " -> member ", record.to_member_id(), " at ",
                    time_text(record.time()), ": ", printable(record.reason()), "\n");
  } else {
    out += "none\n";
  }
  absl::StrAppend(&out, "Failovers:          ", status.failovers(), "\n");
  return out;
}

std::string sync_text(const v1::SyncStatus& sync) {
  return absl::StrCat("Sync:               ", short_name(sync.state()), ", position ", sync.position(), ", lag ",
                      sync.lag_messages(), " messages (", duration_text(sync.lag_ms()), "), ",
                      sync.retransmitted_messages(), " retransmitted, ", sync.full_syncs(), " full syncs (last of ",
                      sync.full_sync_sessions(), " sessions)\n");
}

std::string status_text(const v1::ClusterStatus& status, bool colours) {
  return absl::StrCat("Cluster:            ", status.cluster_id(), "\n",  //
                      "Mode:               ", short_name(status.mode()), ", ", short_name(status.recovery()), "\n",
                      "Epoch:              ", status.epoch(), "\n\n",  //
                      members_table(status, colours), "\n",            //
                      devices_text(status, colours), history_text(status), sync_text(status.sync()));
}

ExitCode show(Client& client, const v1::ClusterStatus& status) {
  if (client.json()) {
    std::cout << json_document("status", to_json(status));
  } else {
    std::cout << status_text(status, colours_wanted());
  }
  std::cout.flush();
  return is_degraded(status) ? kExitDegraded : kExitOk;
}

ExitCode watch_status(Client& client, v1::Cluster::Stub& stub) {
  grpc::ClientContext context;
  const auto reader = stub.Watch(&context, v1::WatchRequest());
  v1::ClusterStatus status;
  bool first = true;
  while (reader->Read(&status)) {
    if (!client.json() && !first) std::cout << "\n";
    first = false;
    show(client, status);
    if (!std::cout) context.TryCancel();  // nobody reads any more
  }
  return client.ended(reader->Finish());
}

// Whether the user means it.
bool confirmed(const char* question) {
  if (isatty(STDIN_FILENO) == 0) {
    std::cerr << "phalanxctl: not a terminal: --yes is needed\n";
    return false;
  }
  std::cerr << question << " [y/N] ";
  std::string answer;
  std::getline(std::cin, answer);
  answer = absl::AsciiStrToLower(answer);
  return answer == "y" || answer == "yes";
}

}  // namespace

ExitCode cluster_status(Client& client, bool watch) {
  const auto stub = v1::Cluster::NewStub(client.channel());
  if (watch) return watch_status(client, *stub);
  grpc::ClientContext context;
  client.bound(context);
  v1::ClusterStatus status;
  const ExitCode code = client.ended(stub->GetStatus(&context, v1::GetStatusRequest(), &status));
  return code == kExitOk ? show(client, status) : code;
}

ExitCode cluster_failover(Client& client, const std::string& reason, bool yes) {
  if (!yes && !confirmed("Hand over to the best standby member?")) return kExitUsage;
  grpc::ClientContext context;
  client.bound(context);
  v1::FailoverRequest request;
  request.set_reason(reason);
  v1::FailoverResponse response;
  const ExitCode code = client.ended(v1::Cluster::NewStub(client.channel())->Failover(&context, request, &response));
  if (code != kExitOk) return code;
  if (client.json()) {
    std::cout << json_document("failover", "\"STARTED\"");
  } else {
    std::cout << "failover started\n";
  }
  return kExitOk;
}

ExitCode cluster_set(Client& client, v1::AdminState state, const std::string& reason) {
  grpc::ClientContext context;
  client.bound(context);
  v1::SetMemberStateRequest request;
  request.set_state(state);
  request.set_reason(reason);
  v1::SetMemberStateResponse response;
  const ExitCode code =
      client.ended(v1::Cluster::NewStub(client.channel())->SetMemberState(&context, request, &response));
  if (code != kExitOk) return code;
  if (client.json()) {
    std::cout << json_document("admin_state", json_string(short_name(state)));
  } else {
    std::cout << "member is administratively " << absl::AsciiStrToLower(short_name(state)) << "\n";
  }
  return kExitOk;
}

}  // namespace phalanx::ctl
