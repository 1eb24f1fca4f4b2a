#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mgmt/ctl/commands.hpp"
#include "mgmt/ctl/output.hpp"
#include "phalanx/v1/session.grpc.pb.h"

namespace phalanx::ctl {
namespace {

// "10.0.0.1:80", "[fd00::1]:80"; without the port if it is 0.
std::string endpoint_text(const std::string& address, uint32_t port) {
  if (address.empty()) return "";
  if (port == 0) return address;
  return address.find(':') == std::string::npos ? absl::StrCat(address, ":", port)
                                                : absl::StrCat("[", address, "]:", port);
}

std::string protocol_text(const v1::Session& session) {
  return session.protocol() == v1::PROTOCOL_OTHER ? absl::StrCat(session.protocol_number())
                                                  : short_name(session.protocol());
}

void add_row(Table& table, const v1::Session& s) {
  const std::string nat_source = endpoint_text(s.nat_source(), s.nat_source_port());
  const std::string nat_destination = endpoint_text(s.nat_destination(), s.nat_destination_port());
  std::string nat = nat_source;
  if (!nat_destination.empty()) absl::StrAppend(&nat, nat.empty() ? "" : " ", "-> ", nat_destination);
  table.add({protocol_text(s), endpoint_text(s.source(), s.source_port()),
             endpoint_text(s.destination(), s.destination_port()), nat, short_name(s.state()), s.rule(),
             absl::StrCat(s.bytes_sent()), absl::StrCat(s.bytes_received()), duration_text(s.idle_ms()),
             duration_text(s.expires_in_ms())});
}

bool bad(const char* flag, const std::string& value) {
  std::cerr << "phalanxctl: " << flag << ": \"" << printable(value) << "\" is not one of its values\n";
  return false;
}

// TCP, or a number: the two fields of the filter.
bool set_protocol(const std::string& text, v1::SessionFilter& filter) {
  uint32_t number = 0;
  v1::Protocol protocol = v1::PROTOCOL_UNSPECIFIED;
  if (v1::Protocol_Parse("PROTOCOL_" + absl::AsciiStrToUpper(text), &protocol) &&
      protocol != v1::PROTOCOL_UNSPECIFIED) {
    filter.set_protocol(protocol);
  } else if (absl::SimpleAtoi(text, &number) && number <= 255) {
    filter.set_protocol_number(number);
  } else {
    return bad("--protocol", text);
  }
  return true;
}

}  // namespace

bool make_filter(const FilterFlags& flags, v1::SessionFilter& filter) {
  filter.set_source(flags.source);
  filter.set_destination(flags.destination);
  filter.set_rule(flags.rule);
  if (!flags.port.empty()) {
    uint32_t port = 0;
    if (!absl::SimpleAtoi(flags.port, &port) || port > 65535) return bad("--port", flags.port);
    filter.set_port(port);
  }
  if (!flags.state.empty()) {
    v1::SessionState state = v1::SESSION_STATE_UNSPECIFIED;
    const std::string name = "SESSION_STATE_" + absl::AsciiStrToUpper(flags.state);
    if (!v1::SessionState_Parse(name, &state) || state == v1::SESSION_STATE_UNSPECIFIED) {
      return bad("--state", flags.state);
    }
    filter.set_state(state);
  }
  return flags.protocol.empty() || set_protocol(flags.protocol, filter);
}

ExitCode session_list(Client& client, const v1::SessionFilter& filter, uint64_t limit) {
  grpc::ClientContext context;
  client.bound(context);
  v1::ListSessionsRequest request;
  *request.mutable_filter() = filter;
  request.set_limit(limit);
  const auto reader = v1::Sessions::NewStub(client.channel())->List(&context, request);
  Table table({"PROTOCOL", "SOURCE", "DESTINATION", "NAT", "STATE", "RULE", "SENT", "RECEIVED", "IDLE", "EXPIRES"});
  std::string list;
  v1::ListSessionsResponse response;
  while (reader->Read(&response)) {
    for (const v1::Session& session : response.sessions()) {
      if (client.json()) {
        absl::StrAppend(&list, list.empty() ? "" : ",", to_json(session));
      } else {
        add_row(table, session);
      }
    }
  }
  const ExitCode code = client.ended(reader->Finish());
  if (code != kExitOk) return code;
  if (client.json()) {
    std::cout << json_document("sessions", absl::StrCat("[", list, "]"));
  } else {
    std::cout << table.text(colours_wanted());
    std::cerr << table.rows() << " sessions\n";
  }
  return kExitOk;
}

ExitCode session_count(Client& client, const v1::SessionFilter& filter) {
  grpc::ClientContext context;
  client.bound(context);
  v1::CountSessionsRequest request;
  *request.mutable_filter() = filter;
  v1::CountSessionsResponse response;
  const ExitCode code = client.ended(v1::Sessions::NewStub(client.channel())->Count(&context, request, &response));
  if (code != kExitOk) return code;
  if (client.json()) {
    std::cout << json_document("count", absl::StrCat(response.count()));
  } else {
    std::cout << response.count() << "\n";
  }
  return kExitOk;
}

ExitCode session_delete(Client& client, const v1::SessionFilter& filter, bool all) {
  grpc::ClientContext context;
  client.bound(context);
  v1::DeleteSessionsRequest request;
  *request.mutable_filter() = filter;
  request.set_all(all);
  v1::DeleteSessionsResponse response;
  const ExitCode code = client.ended(v1::Sessions::NewStub(client.channel())->Delete(&context, request, &response));
  if (code != kExitOk) return code;
  if (client.json()) {
    std::cout << json_document("deleted", absl::StrCat(response.deleted()));
  } else {
    std::cout << response.deleted() << "\n";
  }
  return kExitOk;
}

}  // namespace phalanx::ctl
