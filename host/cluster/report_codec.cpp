#include "host/cluster/report_codec.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace phalanx::cluster {
namespace {

constexpr uint16_t kMachineInformation = 1, kInterfaceInformation = 2;
constexpr uint16_t kPrimaryUpMode = 3, kOneUpMode = 4;
constexpr uint8_t kSynchronizedFlag = 1, kClaimsFlag = 2, kWasActiveFlag = 4, kLeavingFlag = 8;
constexpr uint8_t kFlagsKnown = kSynchronizedFlag | kClaimsFlag | kWasActiveFlag | kLeavingFlag;

// The analyser's field is a signed byte.
uint8_t silence_units(uint32_t silence_us, uint16_t unit_ms) {
  const uint32_t unit_us = uint32_t{1000} * std::max<uint16_t>(unit_ms, 1);
  return static_cast<uint8_t>(std::min<uint32_t>(silence_us / unit_us, 127));
}

uint8_t flags_of(const Report& r) {
  return static_cast<uint8_t>((r.synchronized ? kSynchronizedFlag : 0) | (r.claims_active ? kClaimsFlag : 0) |
                              (r.was_active ? kWasActiveFlag : 0) | (r.leaving ? kLeavingFlag : 0));
}

}  // namespace

void encode_my_state(const Report& r, const ReportShape& shape, BigEndianWriter& out) {
  out.put<uint16_t>(shape.member_count);
  out.put<uint16_t>(kMachineInformation | kInterfaceInformation);
  out.put<uint16_t>(shape.primary_up ? kPrimaryUpMode : kOneUpMode);
  out.put<uint16_t>(shape.time_unit_ms);
  for (MemberId id = 1; id <= shape.member_count; ++id) {
    out.put<uint8_t>(ccp_state_number(id == r.member ? r.state : r.peers[id - 1].state));
  }
  const auto up = static_cast<uint8_t>(std::min(std::popcount(r.interfaces_up), 127));
  out.put<uint8_t>(up);  // inbound, outbound: one judgement for both directions, and nothing is only assumed
  out.put<uint8_t>(0);
  out.put<uint8_t>(up);
  out.put<uint8_t>(0);
  for (MemberId id = 1; id <= shape.member_count; ++id) {
    out.put<uint8_t>(id == r.member ? uint8_t{0} : silence_units(r.peers[id - 1].silence_us, shape.time_unit_ms));
  }
}

std::optional<size_t> my_state_bytes(absl::Span<const uint8_t> payload) {
  BigEndianReader in(payload);
  const size_t ids = in.get<uint16_t>();
  const auto code = in.get<uint16_t>();
  size_t bytes = 8;
  if ((code & kMachineInformation) != 0) bytes += ids;
  if ((code & kInterfaceInformation) != 0) bytes += 4 + ids;
  if (!in.ok() || payload.size() < bytes) return std::nullopt;
  return bytes;
}

void encode_report_body(const Report& r, uint8_t member_count, BigEndianWriter& out) {
  assert(member_count <= kMembersMax);
  out.put<uint8_t>(r.member);
  out.put<uint8_t>(static_cast<uint8_t>(r.state));
  out.put<uint16_t>(r.priority);
  out.put<uint8_t>(r.problems);
  out.put<uint8_t>(flags_of(r));
  out.put<uint8_t>(r.promised_to);
  out.put<uint8_t>(member_count);
  for (const uint64_t v : {r.epoch, r.report_sequence, r.delta_position, r.interfaces_up, r.probes_answered})
    out.put(v);
  out.put<uint8_t>(static_cast<uint8_t>(r.handover.kind));
  out.put<uint8_t>(r.handover.member);
  out.put<uint16_t>(0);
  for (const uint64_t v : {r.handover.incarnation, r.handover.id, r.handover.position}) out.put(v);
  for (uint8_t i = 0; i < member_count; ++i) {
    out.put(r.peers[i].incarnation);
    out.put(r.peers[i].report_sequence);
    out.put(r.peers[i].silence_us);
    out.put<uint8_t>(static_cast<uint8_t>(r.peers[i].state));
  }
}

std::optional<Report> decode_report_body(absl::Span<const uint8_t> body) {
  BigEndianReader in(body);
  Report r;
  r.member = in.get<uint8_t>();
  const auto state = member_state_from_number(in.get<uint8_t>());
  r.priority = in.get<uint16_t>();
  r.problems = in.get<uint8_t>();
  const auto flags = in.get<uint8_t>();
  r.promised_to = in.get<uint8_t>();
  const auto member_count = in.get<uint8_t>();
  for (uint64_t* v : {&r.epoch, &r.report_sequence, &r.delta_position, &r.interfaces_up, &r.probes_answered}) {
    *v = in.get<uint64_t>();
  }
  const auto kind = in.get<uint8_t>();
  r.handover.member = in.get<uint8_t>();
  in.get<uint16_t>();
  for (uint64_t* v : {&r.handover.incarnation, &r.handover.id, &r.handover.position}) *v = in.get<uint64_t>();
  if (!in.ok() || !state || (flags & ~kFlagsKnown) != 0 || kind >= kHandoverKinds || member_count > kMembersMax ||
      r.member == kNoMember || r.member > kMembersMax || r.promised_to > kMembersMax ||
      r.handover.member > kMembersMax) {
    return std::nullopt;
  }
  r.state = *state;
  r.synchronized = (flags & kSynchronizedFlag) != 0;
  r.claims_active = (flags & kClaimsFlag) != 0;
  r.was_active = (flags & kWasActiveFlag) != 0;
  r.leaving = (flags & kLeavingFlag) != 0;
  r.handover.kind = static_cast<Handover>(kind);
  for (uint8_t i = 0; i < member_count; ++i) {
    PeerEcho& echo = r.peers[i];
    echo.incarnation = in.get<uint64_t>();
    echo.report_sequence = in.get<uint64_t>();
    echo.silence_us = in.get<uint32_t>();
    const auto peer_state = member_state_from_number(in.get<uint8_t>());
    if (!peer_state) return std::nullopt;
    echo.state = *peer_state;
  }
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return r;
}

}  // namespace phalanx::cluster
