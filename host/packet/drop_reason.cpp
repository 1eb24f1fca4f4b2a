#include "host/packet/drop_reason.hpp"

#include <numeric>

namespace phalanx {
namespace {

struct Row {
  std::string_view name;
  std::string_view text;
};

constexpr std::array<Row, kDropReasons> kRows = {{
#define PHALANX_DROP_ROW(enumerator, name, text) {name, text},
    PHALANX_DROP_REASONS(PHALANX_DROP_ROW)
#undef PHALANX_DROP_ROW
}};

}  // namespace

std::string_view drop_name(DropReason reason) {
  const auto i = static_cast<size_t>(reason);
  return i < kDropReasons ? kRows[i].name : "unknown";
}

std::string_view drop_text(DropReason reason) {
  const auto i = static_cast<size_t>(reason);
  return i < kDropReasons ? kRows[i].text : "unknown reason";
}

DropReason from_track(hls::TrackReason reason) {
  switch (reason) {
    case hls::TrackReason::kNone:
      return DropReason::kNone;
    case hls::TrackReason::kTcpNotSyn:
      return DropReason::kTcpNotSyn;
    case hls::TrackReason::kTcpFlags:
      return DropReason::kTcpFlags;
    case hls::TrackReason::kTcpSequence:
      return DropReason::kTcpSequence;
    case hls::TrackReason::kTcpAcknowledge:
      return DropReason::kTcpAcknowledge;
    case hls::TrackReason::kTcpReset:
      return DropReason::kTcpReset;
    case hls::TrackReason::kTcpState:
      return DropReason::kTcpState;
    case hls::TrackReason::kIcmpState:
      return DropReason::kIcmpState;
    case hls::TrackReason::kCount:
      break;
  }
  return DropReason::kEngine;  // an engine that gives a reason that this program doesn't know
}

uint64_t DropCounters::total() const {
  return std::accumulate(packets.begin(), packets.end(), uint64_t{0}) - packets[static_cast<size_t>(DropReason::kNone)];
}

DropCounters& DropCounters::operator+=(const DropCounters& other) {
  for (size_t i = 0; i < kDropReasons; ++i) packets[i] += other.packets[i];
  return *this;
}

}  // namespace phalanx
