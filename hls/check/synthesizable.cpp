// Compiled as C++14 by every compiler at hand, without exceptions and run-time types: what all of hls/ must bear.
#include "hls/aes.hpp"
#include "hls/apply.hpp"
#include "hls/counters.hpp"
#include "hls/delta_encode.hpp"
#include "hls/delta_pack.hpp"
#include "hls/delta_record.hpp"
#include "hls/delta_words.hpp"
#include "hls/digest.hpp"
#include "hls/flow_key.hpp"
#include "hls/gcm.hpp"
#include "hls/ghash.hpp"
#include "hls/hash.hpp"
#include "hls/nat.hpp"
#include "hls/nat_circuit.hpp"
#include "hls/packet_meta.hpp"
#include "hls/replay_window.hpp"
#include "hls/rewrite.hpp"
#include "hls/serial.hpp"
#include "hls/session.hpp"
#include "hls/tcp_handshake.hpp"
#include "hls/tcp_track.hpp"
#include "hls/tcp_window.hpp"
#include "hls/timeouts.hpp"
#include "hls/track.hpp"
#include "hls/track_circuit.hpp"
#include "hls/track_reason.hpp"
#include "hls/track_types.hpp"

namespace phalanx {
namespace hls {

struct StageOutput {
  uint64_t hash;
  Match match;
  Track track;
  Rewrite rewrite;
};

StageOutput whole_stage(Session& session, const WideNat& wide, const PacketMeta& packet, uint32_t now_ms);

// One packet through every function, as a kernel's stages would call them.
StageOutput whole_stage(Session& session, const WideNat& wide, const PacketMeta& packet, uint32_t now_ms) {
  StageOutput output;
  output.hash = hash_key(packet.key, 1, 2);
  output.match = match_direction(session, wide, packet);
  output.track = track_packet(session, packet, output.match.direction, now_ms, default_track_config());
  output.rewrite = packet.kind == kPacketIcmpError ? rewrite_for_error(session, wide, output.match.direction)
                                                   : rewrite_for(session, wide, output.match.direction);
  return output;
}

}  // namespace hls
}  // namespace phalanx
