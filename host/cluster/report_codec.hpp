// The report's bytes: the part the analyser reads (FWHA_MY_STATE) and our extension's body. docs/protocol.md, "CCP".
#ifndef PHALANX_HOST_CLUSTER_REPORT_CODEC_HPP
#define PHALANX_HOST_CLUSTER_REPORT_CODEC_HPP

#include <optional>

#include "absl/types/span.h"
#include "host/cluster/byte_order.hpp"
#include "host/cluster/report.hpp"

namespace phalanx::cluster {

struct ReportShape {
  uint8_t member_count = 2;
  bool primary_up = false;
  uint16_t time_unit_ms = 10;
};

inline constexpr size_t kReportFixedBytes = 8 + 5 * 8 + 4 + 3 * 8;  // extension body before the echoes
inline constexpr size_t kPeerEchoBytes = 8 + 8 + 4 + 1;

void encode_my_state(const Report& report, const ReportShape& shape, BigEndianWriter& out);
// Bytes of the analyser-visible part at the start of `payload`, told by its own counts; nullopt if it is cut short.
std::optional<size_t> my_state_bytes(absl::Span<const uint8_t> payload);

void encode_report_body(const Report& report, uint8_t member_count, BigEndianWriter& out);
// Everything but the incarnation, which the trailer holds. nullopt: wrong length or a value out of range.
std::optional<Report> decode_report_body(absl::Span<const uint8_t> body);

}  // namespace phalanx::cluster

#endif
