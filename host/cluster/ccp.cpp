#include "host/cluster/ccp.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cassert>
#include <string>

#include "absl/strings/str_cat.h"
#include "host/cluster/byte_order.hpp"
#include "host/cluster/report_codec.hpp"

namespace phalanx::cluster {
namespace {

constexpr uint32_t kExtensionMagic = 0x50484c58;  // "PHLX"
constexpr uint8_t kExtensionVersion = 1;
constexpr uint8_t kAuthenticatedFlag = 1;

struct MessageShape {
  CcpOpcode opcode;
  std::string_view name;
  uint16_t payload_bytes;
};
constexpr MessageShape kMessages[] = {
#define X(name, opcode, text, bytes) {CcpOpcode::name, text, bytes},
    PHALANX_CCP_MESSAGES(X)
#undef X
};

const MessageShape* shape_of(uint16_t opcode) {
  for (const MessageShape& m : kMessages) {
    if (static_cast<uint16_t>(m.opcode) == opcode) return &m;
  }
  return nullptr;
}

bool is_opaque(CcpOpcode opcode) { return opcode == CcpOpcode::kLoadBalancingConfirm || opcode == CcpOpcode::kSync; }

std::array<uint8_t, kCcpAuthenticatorBytes> authenticate(const std::array<uint8_t, 32>& key,
                                                         absl::Span<const uint8_t> bytes) {
  std::array<uint8_t, EVP_MAX_MD_SIZE> full{};
  unsigned length = 0;
  const uint8_t* done =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes.data(), bytes.size(), full.data(), &length);
  assert(done != nullptr && length == 32);
  (void)done;
  std::array<uint8_t, kCcpAuthenticatorBytes> authenticator{};
  std::copy_n(full.begin(), authenticator.size(), authenticator.begin());
  return authenticator;
}

void encode_payload(const CcpMessage& m, const ReportShape& shape, BigEndianWriter& out) {
  switch (m.opcode) {
    case CcpOpcode::kMyState:
      encode_my_state(m.report, shape, out);
      break;
    case CcpOpcode::kQueryState:
    case CcpOpcode::kInterfaceConfigRequest:
      out.put<uint32_t>(0);  // the analyser calls an empty payload malformed
      break;
    case CcpOpcode::kInterfaceProbeRequest:
    case CcpOpcode::kInterfaceProbeReply:
      out.put(m.probed_interface);
      break;
    case CcpOpcode::kInterfaceConfigReply:
      out.put(m.interface_config.reported_interfaces);
      out.put_bytes(m.interface_config.mac);
      out.put<uint16_t>(m.interface_config.trusted ? 1 : 0);
      out.put(m.interface_config.ipv4);
      break;
    case CcpOpcode::kLoadBalancingConfig:
      out.put(static_cast<uint16_t>(m.load_balancing.slot));
      out.put(static_cast<uint16_t>(m.load_balancing.machine));
      out.put(m.load_balancing.seed);
      out.put(static_cast<uint32_t>(m.load_balancing.hash_length));
      break;
    case CcpOpcode::kLoadBalancingConfirm:
    case CcpOpcode::kSync:
      out.put_bytes(m.opaque);
      break;
    case CcpOpcode::kPolicyChange:
      out.put(m.policy_status);
      break;
  }
}

// `payload` has the length its opcode asks for.
void decode_payload(absl::Span<const uint8_t> payload, CcpMessage& m) {
  BigEndianReader in(payload);
  switch (m.opcode) {
    case CcpOpcode::kMyState:  // the extension says the same more precisely
    case CcpOpcode::kQueryState:
    case CcpOpcode::kInterfaceConfigRequest:
      break;
    case CcpOpcode::kInterfaceProbeRequest:
    case CcpOpcode::kInterfaceProbeReply:
      m.probed_interface = in.get<uint32_t>();
      break;
    case CcpOpcode::kInterfaceConfigReply:
      m.interface_config.reported_interfaces = in.get<uint32_t>();
      for (uint8_t& byte : m.interface_config.mac) byte = in.get<uint8_t>();
      m.interface_config.trusted = in.get<uint16_t>() != 0;
      m.interface_config.ipv4 = in.get<uint32_t>();
      break;
    case CcpOpcode::kLoadBalancingConfig:
      m.load_balancing.slot = static_cast<int16_t>(in.get<uint16_t>());
      m.load_balancing.machine = static_cast<int16_t>(in.get<uint16_t>());
      m.load_balancing.seed = in.get<uint32_t>();
      m.load_balancing.hash_length = static_cast<int32_t>(in.get<uint32_t>());
      break;
    case CcpOpcode::kLoadBalancingConfirm:
    case CcpOpcode::kSync:
      m.opaque.assign(payload.begin(), payload.end());
      break;
    case CcpOpcode::kPolicyChange:
      m.policy_status = in.get<uint32_t>();
      break;
  }
  assert(in.ok());
}

struct Trailer {
  bool authenticated = false;
  size_t body_bytes = 0;
  uint64_t incarnation = 0;
  uint64_t sequence = 0;
};

bool has_trailer_at(absl::Span<const uint8_t> datagram, size_t at) {
  if (at < kCcpHeaderBytes || at + kCcpTrailerBytes > datagram.size()) return false;
  BigEndianReader in(datagram.subspan(at));
  return in.get<uint32_t>() == kExtensionMagic && in.get<uint8_t>() == kExtensionVersion;
}

Trailer read_trailer(absl::Span<const uint8_t> bytes) {
  BigEndianReader in(bytes);
  in.get<uint32_t>();
  in.get<uint8_t>();
  Trailer t;
  t.authenticated = (in.get<uint8_t>() & kAuthenticatedFlag) != 0;
  t.body_bytes = in.get<uint16_t>();
  t.incarnation = in.get<uint64_t>();
  t.sequence = in.get<uint64_t>();
  return t;
}

// Where the payload ends; opaque payloads end where the trailer, counted from the datagram's end, begins.
std::optional<size_t> payload_end(absl::Span<const uint8_t> datagram, const MessageShape& shape) {
  const auto payload = datagram.subspan(kCcpHeaderBytes);
  if (is_opaque(shape.opcode)) {
    for (const size_t behind : {kCcpTrailerBytes + kCcpAuthenticatorBytes, kCcpTrailerBytes}) {
      if (datagram.size() > kCcpHeaderBytes + behind && has_trailer_at(datagram, datagram.size() - behind)) {
        return datagram.size() - behind;
      }
    }
    return std::nullopt;
  }
  const std::optional<size_t> bytes =
      shape.opcode == CcpOpcode::kMyState ? my_state_bytes(payload) : std::optional<size_t>(shape.payload_bytes);
  if (!bytes || *bytes > payload.size()) return std::nullopt;
  return kCcpHeaderBytes + *bytes;
}

}  // namespace

std::string_view to_string(CcpOpcode opcode) {
  const MessageShape* shape = shape_of(static_cast<uint16_t>(opcode));
  return shape == nullptr ? "?" : shape->name;
}

std::string_view to_string(CcpRefusal refusal) {
  switch (refusal) {
#define X(name, text)    \
  case CcpRefusal::name: \
    return text;
    PHALANX_CCP_REFUSALS(X)
#undef X
  }
  return "?";
}

absl::Status CcpCounters::refuse(CcpRefusal r) {
  ++refused[static_cast<size_t>(r)];
  const std::string_view text = to_string(r);
  return absl::InvalidArgumentError(absl::string_view(text.data(), text.size()));
}

std::array<uint8_t, kCcpHeaderBytes> encode_header(const CcpHeader& h) {
  BigEndianWriter out;
  for (const uint16_t field : {kCcpMagic, h.version, h.cluster_number, h.opcode, h.source_interface, h.random_id,
                               h.source_machine, h.destination_machine, h.policy_id, uint16_t{0}}) {
    out.put(field);
  }
  std::array<uint8_t, kCcpHeaderBytes> bytes{};
  assert(out.size() == bytes.size());
  std::copy(out.bytes().begin(), out.bytes().end(), bytes.begin());
  return bytes;
}

absl::StatusOr<CcpHeader> decode_header(absl::Span<const uint8_t> datagram) {
  BigEndianReader in(datagram);
  if (in.get<uint16_t>() != kCcpMagic) return absl::InvalidArgumentError("CCP magic is not 0x1a90");
  CcpHeader h;
  for (uint16_t* field : {&h.version, &h.cluster_number, &h.opcode, &h.source_interface, &h.random_id,
                          &h.source_machine, &h.destination_machine, &h.policy_id}) {
    *field = in.get<uint16_t>();
  }
  in.get<uint16_t>();
  if (!in.ok()) return absl::InvalidArgumentError("CCP header cut short");
  return h;
}

CcpCodec::CcpCodec(const CcpConfig& config) : config_(config) {
  assert(config_.own_id != kNoMember && config_.own_id <= config_.member_count && config_.member_count <= kMembersMax);
  assert(config_.incarnation != 0);
}

absl::StatusOr<std::vector<uint8_t>> CcpCodec::encode(const CcpMessage& m) {
  if (is_opaque(m.opcode) && (m.opaque.empty() || m.opaque.size() > kCcpOpaqueBytesMax)) {
    return absl::InvalidArgumentError(absl::StrCat("opaque payload: 1 to ", kCcpOpaqueBytesMax, " bytes"));
  }
  if (m.interface >= kInterfacesMax) return absl::InvalidArgumentError("interface index out of range");
  if (m.destination > kMembersMax) return absl::InvalidArgumentError("destination is no member");
  const uint64_t sequence = next_sequence_++;
  CcpHeader header;
  header.cluster_number = config_.cluster_number;
  header.opcode = static_cast<uint16_t>(m.opcode);
  header.source_interface = static_cast<uint16_t>(m.interface + 1);
  header.random_id = static_cast<uint16_t>(config_.incarnation);
  header.source_machine = static_cast<uint16_t>(config_.own_id - 1);
  header.destination_machine = m.destination == kNoMember ? kCcpAllMachines : static_cast<uint16_t>(m.destination - 1);
  header.policy_id = m.policy_id;

  BigEndianWriter body;
  if (m.opcode == CcpOpcode::kMyState) encode_report_body(m.report, config_.member_count, body);
  BigEndianWriter out;
  out.put_bytes(encode_header(header));
  encode_payload(m, {config_.member_count, config_.primary_up, config_.time_unit_ms}, out);
  out.put(kExtensionMagic);
  out.put(kExtensionVersion);
  out.put<uint8_t>(config_.key ? kAuthenticatedFlag : 0);
  out.put(static_cast<uint16_t>(body.size()));
  out.put(config_.incarnation);
  out.put(sequence);
  out.put_bytes(body.bytes());
  if (config_.key) out.put_bytes(authenticate(*config_.key, out.bytes()));
  assert(out.size() <= kCcpBytesMax);
  ++counters_.sent;
  return std::move(out).take();
}

absl::StatusOr<CcpReceived> CcpCodec::decode(absl::Span<const uint8_t> datagram) {
  if (datagram.size() > kCcpBytesMax) return counters_.refuse(CcpRefusal::kLength);
  const absl::StatusOr<CcpHeader> header = decode_header(datagram);
  if (!header.ok()) return counters_.refuse(CcpRefusal::kMagic);
  if (header->version != kCcpVersion) return counters_.refuse(CcpRefusal::kVersion);
  if (header->cluster_number != config_.cluster_number) return counters_.refuse(CcpRefusal::kClusterNumber);
  if (header->source_machine + 1 == config_.own_id) return counters_.refuse(CcpRefusal::kOwnMessage);
  if (header->source_machine >= config_.member_count) return counters_.refuse(CcpRefusal::kUnknownMember);
  const bool for_all = header->destination_machine == kCcpAllMachines;
  if (!for_all && header->destination_machine + 1 != config_.own_id) return counters_.refuse(CcpRefusal::kNotForUs);
  const MessageShape* shape = shape_of(header->opcode);
  if (shape == nullptr) return counters_.refuse(CcpRefusal::kOpcode);

  const std::optional<size_t> end = payload_end(datagram, *shape);
  if (!end) return counters_.refuse(CcpRefusal::kLength);
  if (!has_trailer_at(datagram, *end)) return counters_.refuse(CcpRefusal::kExtension);
  const Trailer trailer = read_trailer(datagram.subspan(*end));
  if (config_.key && !trailer.authenticated) return counters_.refuse(CcpRefusal::kUnauthenticated);
  const size_t body_at = *end + kCcpTrailerBytes;
  const size_t authenticator_at = body_at + trailer.body_bytes;
  if (authenticator_at + (trailer.authenticated ? kCcpAuthenticatorBytes : 0) != datagram.size()) {
    return counters_.refuse(CcpRefusal::kLength);
  }
  if (trailer.authenticated) {
    // Without a key there is nothing to verify it with: the clusters are set up differently.
    if (!config_.key) return counters_.refuse(CcpRefusal::kAuthentication);
    const auto expected = authenticate(*config_.key, datagram.subspan(0, authenticator_at));
    if (CRYPTO_memcmp(expected.data(), &datagram[authenticator_at], expected.size()) != 0) {
      return counters_.refuse(CcpRefusal::kAuthentication);
    }
  }

  CcpReceived received;
  received.source = static_cast<MemberId>(header->source_machine + 1);
  received.incarnation = trailer.incarnation;
  received.sequence = trailer.sequence;
  CcpMessage& m = received.message;
  m.opcode = shape->opcode;
  m.destination = for_all ? kNoMember : config_.own_id;
  m.policy_id = header->policy_id;
  if (header->source_interface == 0 || header->source_interface > kInterfacesMax || trailer.incarnation == 0) {
    return counters_.refuse(CcpRefusal::kField);
  }
  m.interface = static_cast<InterfaceIndex>(header->source_interface - 1);
  if (m.opcode == CcpOpcode::kMyState) {
    const std::optional<Report> report = decode_report_body(datagram.subspan(body_at, trailer.body_bytes));
    if (!report || report->member != received.source) return counters_.refuse(CcpRefusal::kField);
    m.report = *report;
    m.report.incarnation = trailer.incarnation;
  } else if (trailer.body_bytes != 0) {
    return counters_.refuse(CcpRefusal::kLength);
  }
  decode_payload(datagram.subspan(kCcpHeaderBytes, *end - kCcpHeaderBytes), m);
  if (!replay_check_and_set(received.source, trailer.incarnation, trailer.sequence)) {
    return counters_.refuse(CcpRefusal::kReplay);
  }
  ++counters_.received;
  return received;
}

bool CcpCodec::replay_check_and_set(MemberId source, uint64_t incarnation, uint64_t sequence) {
  PeerWindows& windows = windows_[source - 1];
  if (windows.pinned.incarnation == incarnation) return windows.pinned.seen.check_and_set(sequence);
  if (windows.unproven.incarnation != incarnation) windows.unproven = {incarnation, {}};
  return windows.unproven.seen.check_and_set(sequence);
}

void CcpCodec::pin_incarnation(MemberId member, uint64_t incarnation) {
  if (member == kNoMember || member > kMembersMax || incarnation == 0) return;
  PeerWindows& windows = windows_[member - 1];
  if (windows.pinned.incarnation == incarnation) return;
  windows.pinned = windows.unproven.incarnation == incarnation ? windows.unproven : Window{incarnation, {}};
  windows.unproven = {};
}

}  // namespace phalanx::cluster
