// What a completion says of a packet and its session.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_DESCRIBE_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_DESCRIBE_HPP

#include "hls/nat_circuit.hpp"
#include "hls/track.hpp"
#include "kernels/session_engine/table.hpp"

namespace phalanx {
namespace session_engine {

using abi::Completion;
using abi::Result;

inline hls::TrackConfig track_config(const abi::TableState& state) {
  hls::TrackConfig config = hls::default_track_config();
  config.tcp_pickup = state.tcp_pickup != 0;
  return config;
}

inline Completion completion_with(Result result) {
  Completion completion = {};
  completion.result = result;
  return completion;
}

// What became of `packet`, which goes in `direction`, at the session in `slot`.
inline Completion describe(const hls::Track& track, uint32_t slot, const Session& session, const WideNat& wide,
                           const hls::PacketMeta& packet, uint8_t direction) {
  Completion completion = completion_with(track.pass ? Result::kDone : Result::kDrop);
  completion.reason = track.reason;
  completion.direction = direction;
  completion.state = session.state;
  completion.slot = slot;
  completion.rule = session.rule;
  completion.changed = track.log ? 1 : 0;
  if ((session.flags & hls::kNatMask) == 0 || !track.pass) return completion;
  completion.rewrite = hls::rewrite_at_once(session, wide, direction, packet.kind == hls::kPacketIcmpError);
  completion.rewritten = 1;
  return completion;
}

}  // namespace session_engine
}  // namespace phalanx

#endif
