// The record's wire layout for its reader, by the names it has where it is written (hls/delta_layout.hpp).
#ifndef PHALANX_HOST_SYNC_WIRE_LAYOUT_HPP
#define PHALANX_HOST_SYNC_WIRE_LAYOUT_HPP

#include <cstdint>

#include "hls/delta_layout.hpp"
#include "host/packet/bytes.hpp"
#include "host/sync/record_codec.hpp"

namespace phalanx::sync::codec {

// What the one encoder, hls/delta_encode.hpp, is made of, for the decoder.
using hls::delta::dictionary_index;
using hls::delta::kExtension;
using hls::delta::kExtNatDestination;
using hls::delta::kExtNatSource;
using hls::delta::kExtNatWide;
using hls::delta::kExtPickedUp;
using hls::delta::kExtReserved;
using hls::delta::kExtSameNatDestination;
using hls::delta::kExtSameNatSource;
using hls::delta::kExtVirtualSystem;
using hls::delta::kGenerationMask;
using hls::delta::kOriginatorShared;
using hls::delta::kSameProfile;
using hls::delta::kTcpAcked0;
using hls::delta::kTcpAcked1;
using hls::delta::kTcpEnd0;
using hls::delta::kTcpEnd1;
using hls::delta::kTcpMaxEnd0;
using hls::delta::kTcpMaxEnd1;
using hls::delta::kTcpWindow0;
using hls::delta::kTcpWindow1;
using hls::delta::kV6;
using hls::delta::kVersionEscape;
using hls::delta::ProtocolClass;
using hls::delta::ResponderMode;
using hls::delta::TcpPrediction;

inline bool is_tcp_state(uint8_t state) { return hls::delta::has_tcp_fields(state); }

inline constexpr int64_t unzigzag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }

}  // namespace phalanx::sync::codec

#endif
