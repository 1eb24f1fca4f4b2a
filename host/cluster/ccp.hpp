// CCP, the cluster control protocol: messages as tshark's `cpha` reads them, then our extension and an authenticator.
// Layout: docs/protocol.md. Pure: bytes in, messages out.
#ifndef PHALANX_HOST_CLUSTER_CCP_HPP
#define PHALANX_HOST_CLUSTER_CCP_HPP

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "host/cluster/replay_window.hpp"
#include "host/cluster/report.hpp"
#include "host/packet/address.hpp"

namespace phalanx::cluster {

inline constexpr uint16_t kCcpPort = 8116;
inline constexpr uint16_t kCcpMagic = 0x1a90;
inline constexpr uint16_t kCcpVersion = 2920;        // the dissector's name for it: R77.30
inline constexpr uint16_t kCcpAllMachines = 0xfffe;  // destination machine: all
inline constexpr size_t kCcpHeaderBytes = 20;
inline constexpr size_t kCcpTrailerBytes = 24;        // magic, flags, extension length, incarnation, sequence
inline constexpr size_t kCcpAuthenticatorBytes = 16;  // HMAC-SHA256, truncated
// One Ethernet frame of 1500 bytes, less IPv4 and UDP headers: CCP is never fragmented.
inline constexpr size_t kCcpBytesMax = 1500 - 20 - 8;
inline constexpr size_t kCcpOpaqueBytesMax = kCcpBytesMax - kCcpHeaderBytes - kCcpTrailerBytes - kCcpAuthenticatorBytes;

// X(name, opcode, field's name, payload bytes the analyser reads; kCcpVariable = depends on the message)
inline constexpr uint16_t kCcpVariable = 0xffff;
#define PHALANX_CCP_MESSAGES(X)                                \
  X(kMyState, 1, "FWHA_MY_STATE", kCcpVariable)                \
  X(kQueryState, 2, "FWHA_QUERY_STATE", 4)                     \
  X(kInterfaceProbeRequest, 3, "FWHA_IF_PROBE_REQ", 4)         \
  X(kInterfaceProbeReply, 4, "FWHA_IF_PROBE_REPLY", 4)         \
  X(kInterfaceConfigRequest, 5, "FWHA_IFCONF_REQ", 4)          \
  X(kInterfaceConfigReply, 6, "FWHA_IFCONF_REPLY", 16)         \
  X(kLoadBalancingConfig, 7, "FWHA_LB_CONF", 12)               \
  X(kLoadBalancingConfirm, 8, "FWHA_LB_CONFIRM", kCcpVariable) \
  X(kPolicyChange, 9, "FWHA_POLICY_CHANGE", 4)                 \
  X(kSync, 10, "FWHAP_SYNC", kCcpVariable)

enum class CcpOpcode : uint16_t {
#define X(name, opcode, text, bytes) name = opcode,
  PHALANX_CCP_MESSAGES(X)
#undef X
};
std::string_view to_string(CcpOpcode opcode);

// Why a datagram or frame is not taken. X(name, text).
#define PHALANX_CCP_REFUSALS(X)                                                     \
  X(kNotCcp, "not a UDP datagram to port 8116")                                     \
  X(kFrameLength, "frame shorter than its headers say")                             \
  X(kTtl, "TTL is not 255: it crossed a router")                                    \
  X(kChecksum, "wrong IPv4 or UDP checksum")                                        \
  X(kFragment, "IPv4 fragment")                                                     \
  X(kMacMagic, "source MAC of another cluster (magic)")                             \
  X(kMagic, "CCP magic is not 0x1a90")                                              \
  X(kVersion, "CCP version that this member does not speak")                        \
  X(kClusterNumber, "another cluster's number")                                     \
  X(kOwnMessage, "own message heard again, or another member has this member's id") \
  X(kUnknownMember, "source machine is no member of this cluster")                  \
  X(kNotForUs, "destination machine is another member")                             \
  X(kOpcode, "unknown opcode")                                                      \
  X(kLength, "length does not fit the opcode")                                      \
  X(kExtension, "extension missing or not understood")                              \
  X(kField, "a field's value is out of range")                                      \
  X(kUnauthenticated, "datagram without authenticator in an authenticated cluster") \
  X(kAuthentication, "authenticator does not verify")                               \
  X(kReplay, "sequence number already seen or too old")

enum class CcpRefusal : uint8_t {
#define X(name, text) name,
  PHALANX_CCP_REFUSALS(X)
#undef X
};
#define X(name, text) +1
inline constexpr size_t kCcpRefusals = 0 PHALANX_CCP_REFUSALS(X);
#undef X
std::string_view to_string(CcpRefusal refusal);

struct CcpCounters {
  uint64_t received = 0;  // accepted datagrams
  uint64_t sent = 0;
  std::array<uint64_t, kCcpRefusals> refused{};
  uint64_t refused_for(CcpRefusal r) const { return refused[static_cast<size_t>(r)]; }
  // Counts and makes the Status that tells why (InvalidArgument with the reason's text).
  absl::Status refuse(CcpRefusal r);
};

struct CcpHeader {
  uint16_t version = kCcpVersion;
  uint16_t cluster_number = 0;
  uint16_t opcode = 0;
  uint16_t source_interface = 0;  // InterfaceIndex + 1
  uint16_t random_id = 0;
  uint16_t source_machine = 0;  // MemberId - 1
  uint16_t destination_machine = kCcpAllMachines;
  uint16_t policy_id = 0;
};
// The plain 20 bytes, also for those who carry payloads with a protection of their own behind it (delta sync).
std::array<uint8_t, kCcpHeaderBytes> encode_header(const CcpHeader& header);
absl::StatusOr<CcpHeader> decode_header(absl::Span<const uint8_t> datagram);  // magic and length checked only

struct InterfaceConfigReply {
  uint32_t reported_interfaces = 0;
  MacAddress mac{};
  bool trusted = false;
  uint32_t ipv4 = 0;  // host order
};
struct LoadBalancingConfig {
  int16_t slot = 0;
  int16_t machine = 0;
  uint32_t seed = 0;
  int32_t hash_length = 0;
};

// One message; which members count depends on the opcode.
struct CcpMessage {
  CcpOpcode opcode = CcpOpcode::kMyState;
  InterfaceIndex interface = 0;      // sent on
  MemberId destination = kNoMember;  // kNoMember = all
  uint16_t policy_id = 0;
  Report report;                          // kMyState
  uint32_t probed_interface = 0;          // kInterfaceProbe*
  InterfaceConfigReply interface_config;  // kInterfaceConfigReply
  LoadBalancingConfig load_balancing;     // kLoadBalancingConfig
  uint32_t policy_status = 0;             // kPolicyChange: 1 new policy, 2 HA must change, 3 ready
  std::vector<uint8_t> opaque;            // kLoadBalancingConfirm, kSync: at least one byte
};

// What came with a message and proves where it is from.
struct CcpReceived {
  CcpMessage message;
  MemberId source = kNoMember;
  uint64_t incarnation = 0;
  uint64_t sequence = 0;
};

struct CcpConfig {
  uint16_t cluster_number = 0;
  MemberId own_id = kNoMember;
  uint8_t member_count = 2;                    // highest member id in use
  uint64_t incarnation = 0;                    // random, not 0
  std::optional<std::array<uint8_t, 32>> key;  // none = the operator runs the cluster unauthenticated
  bool primary_up = false;                     // shown as ha_mode 3, otherwise 4
  uint16_t time_unit_ms = 10;                  // of the "last packet seen" fields
};

// Encodes and decodes datagrams of one member, keeps its send sequence and the replay windows of its peers.
class CcpCodec {
 public:
  explicit CcpCodec(const CcpConfig& config);

  // The UDP payload. InvalidArgument if a field is out of range (opaque part empty or too long).
  absl::StatusOr<std::vector<uint8_t>> encode(const CcpMessage& message);
  // Checks everything from the magic to the replay window. Refusals are counted. Nothing is kept of a refused datagram.
  absl::StatusOr<CcpReceived> decode(absl::Span<const uint8_t> datagram);

  // The state machine has proof that this is the member's present incarnation: its window is kept whatever else
  // arrives.
  void pin_incarnation(MemberId member, uint64_t incarnation);

  CcpCounters& counters() { return counters_; }
  const CcpCounters& counters() const { return counters_; }

 private:
  struct Window {
    uint64_t incarnation = 0;
    ReplayWindow seen;
  };
  struct PeerWindows {
    Window pinned;    // present incarnation, proven
    Window unproven;  // one other incarnation that speaks in the member's name: a restart, or a replay
  };
  bool replay_check_and_set(MemberId source, uint64_t incarnation, uint64_t sequence);

  CcpConfig config_;
  uint64_t next_sequence_ = 1;
  std::array<PeerWindows, kMembersMax> windows_{};
  CcpCounters counters_;
};

}  // namespace phalanx::cluster

#endif
