// What becomes of a packet that belongs to no session: rules, NAT and routes decide.
#include "absl/strings/str_cat.h"
#include "host/gateway/dataplane.hpp"
#include "host/packet/text.hpp"
#include "host/session/session_builder.hpp"

namespace phalanx::gateway {
namespace {

bool is_echo(const hls::PacketMeta& meta) {
  return meta.kind == hls::kPacketEchoRequest || meta.kind == hls::kPacketEchoReply;
}

// Hide NAT needs a number of the originator's to tell flows apart.
bool has_number(const hls::PacketMeta& meta) {
  return meta.kind == hls::kPacketTcp || meta.kind == hls::kPacketUdp || meta.kind == hls::kPacketEchoRequest;
}

session::NatTranslation translation_of(const policy::NatDecision& destination, const policy::NatDecision& source,
                                       const policy::FlowQuery& query, bool ports) {
  session::NatTranslation nat;
  if (destination.translate) {
    nat.destination = destination.address;
    if (ports && destination.port != query.destination_port) nat.destination_port = destination.port;
  }
  if (source.translate) nat.source = source.address;
  return nat;
}

}  // namespace

policy::FlowQuery Dataplane::query_of(const Item& item) const {
  return {.in_port = item.port,
          .out_port = kNoPort,
          .source = item.packet.source,
          .destination = item.packet.destination,
          .protocol = item.packet.protocol,
          .source_port = item.packet.source_port,
          .destination_port = item.packet.destination_port,
          .icmp_type = item.packet.icmp_type,
          .icmp_code = item.packet.icmp_code};
}

bool Dataplane::decide(int64_t now_ns, Item& item, Opening& opening) {
  const ParsedPacket& packet = item.packet;
  const auto refused = [this](DropReason reason) { return drop(reason), false; };
  if (packet.is_icmp_error()) return refused(DropReason::kIcmpErrorUnmatched);
  policy::FlowQuery query = query_of(item);
  const policy::NatDecision destination = nat_->destination(query);
  if (destination.translate) query.destination = destination.address;
  if (destination.translate && is_echo(packet.meta) == false) query.destination_port = destination.port;

  if (ports_.owner(query.destination) != kNoPort) {
    if (packet.meta.kind == hls::kPacketEchoRequest) return answer_echo(now_ns, item), false;
    return refused(DropReason::kLocalUnserved);
  }
  if (is_multicast(query.destination) || is_limited_broadcast(query.destination) || is_link_local(query.destination) ||
      is_link_local(query.source)) {
    return refused(DropReason::kNotForwardable);
  }
  IpAddress neighbour;
  const DropReason routed = next_hops_.route(query.destination, query.out_port, neighbour);
  if (routed != DropReason::kNone) {
    if (routed == DropReason::kNoRoute) answer_error(now_ns, item, IcmpError::kNetUnreachable);
    if (routed == DropReason::kRouteRefused) answer_error(now_ns, item, IcmpError::kHostUnreachable);
    return refused(routed);
  }
  const policy::Decision decision = rules_->classify(query);
  hits_.count(decision.rule);
  if (decision.log) events_->event(absl::StrCat("rule ", decision.rule, ": ", to_text(item.packet)));
  if (decision.action != policy::RuleAction::kAccept) return refuse(now_ns, item, decision), false;

  const policy::NatDecision source = nat_->source(query);
  if (source.translate && source.allocate_port && !has_number(packet.meta)) return refused(DropReason::kNatUnsupported);
  // A packet that could not leave must not open a session.
  if (packet.ttl <= 1) {
    answer_error(now_ns, item, IcmpError::kTimeExceeded);
    return refused(DropReason::kTtlExpired);
  }
  opening = {.query = query, .destination = destination, .source = source, .rule = decision.rule};
  return true;
}

// The table itself says whether a translated key is free, so a port that is proposed twice is never given twice.
std::optional<abi::Record> Dataplane::propose(const Item& item, const Opening& opening) {
  const hls::PacketMeta& meta = item.packet.meta;
  const bool ports = meta.kind == hls::kPacketTcp || meta.kind == hls::kPacketUdp;
  session::NatTranslation nat = translation_of(opening.destination, opening.source, query_of(item), ports);
  if (opening.source.translate && opening.source.allocate_port) {
    nat.source_port = chooser_.candidate(meta.key, opening.query.source_port, opening.attempt);
    if (!nat.source_port) return std::nullopt;
    ++counters_.port_attempts;
  }
  return session::make_record(meta, opening.rule, nat);
}

void Dataplane::refuse(int64_t now_ns, Item& item, const policy::Decision& decision) {
  const bool reject = decision.action == policy::RuleAction::kReject;
  if (reject && item.packet.meta.kind == hls::kPacketTcp) {
    answer_reset(now_ns, item);
  } else if (reject) {
    answer_error(now_ns, item, IcmpError::kAdminProhibited);
  }
  drop(reject ? DropReason::kPolicyReject : DropReason::kPolicyDrop);
}

}  // namespace phalanx::gateway
