#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "mgmt/ctl/commands.hpp"
#include "mgmt/ctl/output.hpp"
#include "phalanx/v1/system.grpc.pb.h"

namespace phalanx::ctl {
namespace {

bool in_trouble(const v1::Link& link) {
  return link.monitored() && (link.state() != v1::LINK_STATE_UP || !link.problem().empty());
}

std::string links_table(const v1::LinkList& list, bool colours) {
  Table table({"NAME", "DEVICE", "ROLE", "ZONE", "STATE", "MONITORED", "VIRTUAL MAC", "VIRTUAL ADDRESSES", "MTU",
               "RECEIVED", "SENT", "DROPPED", "PROBLEM"});
  for (const v1::Link& link : list.links()) {
    table.add({link.name(), link.device(), short_name(link.role()), link.zone(), short_name(link.state()),
               link.monitored() ? "yes" : "no", link.virtual_mac(), absl::StrJoin(link.virtual_addresses(), " "),
               absl::StrCat(link.mtu_bytes()), absl::StrCat(link.received_packets()), absl::StrCat(link.sent_packets()),
               absl::StrCat(link.dropped_packets()), link.problem()},
              {Colour::kNone, Colour::kNone, Colour::kNone, Colour::kNone,
               link.state() == v1::LINK_STATE_UP ? Colour::kGood : Colour::kBad});
  }
  return table.text(colours);
}

}  // namespace

ExitCode counters(Client& client, bool drops) {
  grpc::ClientContext context;
  client.bound(context);
  v1::Counters all;
  const ExitCode code =
      client.ended(v1::System::NewStub(client.channel())->GetCounters(&context, v1::GetCountersRequest(), &all));
  if (code != kExitOk) return code;
  Table table({"COUNTER", "VALUE", "MEANING"});
  std::string list;
  for (const v1::Counter& counter : all.counters()) {
    if (drops && counter.kind() != v1::COUNTER_KIND_DROP) continue;
    absl::StrAppend(&list, list.empty() ? "" : ",", to_json(counter));
    table.add({counter.name(), absl::StrCat(counter.value()), counter.help()});
  }
  std::cout << (client.json() ? json_document("counters", absl::StrCat("[", list, "]")) : table.text(colours_wanted()));
  return kExitOk;
}

ExitCode links(Client& client) {
  grpc::ClientContext context;
  client.bound(context);
  v1::LinkList list;
  const ExitCode code =
      client.ended(v1::System::NewStub(client.channel())->ListLinks(&context, v1::ListLinksRequest(), &list));
  if (code != kExitOk) return code;
  if (client.json()) {
    const std::string all =
        absl::StrJoin(list.links(), ",", [](std::string* out, const v1::Link& link) { out->append(to_json(link)); });
    std::cout << json_document("links", absl::StrCat("[", all, "]"));
  } else {
    std::cout << links_table(list, colours_wanted());
  }
  for (const v1::Link& link : list.links()) {
    if (in_trouble(link)) return kExitDegraded;
  }
  return kExitOk;
}

ExitCode health(Client& client) {
  grpc::ClientContext context;
  client.bound(context);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("phalanx.v1.Cluster");
  grpc::health::v1::HealthCheckResponse response;
  const ExitCode code =
      client.ended(grpc::health::v1::Health::NewStub(client.channel())->Check(&context, request, &response));
  if (code != kExitOk) return code;
  const std::string& name = grpc::health::v1::HealthCheckResponse::ServingStatus_Name(response.status());
  std::cout << (client.json() ? json_document("health", json_string(name)) : name + "\n");
  return response.status() == grpc::health::v1::HealthCheckResponse::SERVING ? kExitOk : kExitDegraded;
}

ExitCode version(Client& client) {
  grpc::ClientContext context;
  client.bound(context);
  v1::Version answer;
  const ExitCode code =
      client.ended(v1::System::NewStub(client.channel())->GetVersion(&context, v1::GetVersionRequest(), &answer));
  if (code != kExitOk) return code;
  if (client.json()) {
    std::cout << json_document("version", to_json(answer));
  } else {
    std::cout << "phalanx " << printable(answer.version()) << "\nbuild " << printable(answer.build()) << "\nengine "
              << printable(answer.engine()) << "\n";
  }
  return kExitOk;
}

}  // namespace phalanx::ctl
