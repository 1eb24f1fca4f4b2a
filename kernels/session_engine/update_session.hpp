// Second half of the lookup pipeline, hold to the writers: what the packet does to its session, from the newest record.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_UPDATE_SESSION_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_UPDATE_SESSION_HPP

#include "hls/track_circuit.hpp"
#include "kernels/session_engine/describe.hpp"
#include "kernels/session_engine/find_session.hpp"
#include "kernels/session_engine/recent_writes.hpp"

namespace phalanx {
namespace session_engine {

// Lets a session's next lookup wait until its last one is kExecuteDepth cycles further. The cycles go through the FIFO
// as bubbles: `execute` may be held up itself, and the distance has to be one of its own cycles.
inline void hold(WorkFifo& in, WorkFifo& out) {
  uint32_t ahead[kExecuteDepth];
#pragma HLS array_partition variable = ahead complete
  for (int k = 0; k < kExecuteDepth; ++k) ahead[k] = kNone;
  Work work = {};
  bool waiting = false;
  for (uint64_t i = 0; i < kTokensMax; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    if (!waiting) work = in.read();
    bool busy = false;
    for (int k = 0; k < kExecuteDepth; ++k) {
#pragma HLS unroll
      busy |= work.matched && ahead[k] == work.slot;
    }
    for (int k = kExecuteDepth - 1; k > 0; --k) {
#pragma HLS unroll
      ahead[k] = ahead[k - 1];
    }
    ahead[0] = work.matched && !busy ? work.slot : kNone;
    waiting = busy;
    Work given = work;
    given.token = busy ? Token::kBubble : work.token;
    out.write(given);
    if (!busy && work.token == Token::kEnd) break;
  }
}

// Applies the packet to its session: the newest record is in the recent-writes store, else as it was read. `hold` sees
// to it that no session comes again within kExecuteDepth cycles, so one cycle's store never touches a place that
// another one in the pipeline looks up for its own slot.
inline void execute(const LookupConfig& config, WorkFifo& in, WriteFifo& a, WriteFifo& b, WriteFifo& completions,
                    WriteFifo& log, uint64_t& half_open_change) {
  RecentWrites recent;
#pragma HLS array_partition variable = recent.slot complete
#pragma HLS dependence variable = recent.slot inter false
#pragma HLS dependence variable = recent.record inter false
  clear(recent);
  uint64_t change = 0;
  uint32_t index = 0;
  LineWrite write = {};
  for (uint64_t i = 0; i < kTokensMax; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const Work work = in.read();
    if (work.token == Token::kBubble) continue;
    if (work.token == Token::kEnd) break;
    Completion completion = completion_with(Result::kMiss);
    if (work.matched) {
      const uint32_t place = find_recent(recent, work.slot);
      Session session = place < kRecentWrites ? recent.record[place] : work.session;
      const uint64_t was_half_open = half_open(session.state);
      hls::reanchor_if_older(session, config.age_floor_ms);
      const hls::Track track =
          hls::track_packet_at_once(session, work.packet, work.direction, config.now_ms, config.track);
      change += half_open(session.state) - was_half_open;
      write.at = work.slot;
      if (track.log && (session.flags & hls::kDirty) == 0) {
        session.flags |= hls::kDirty;
        log.write(write);
      }
      keep(recent, place, work.slot, session);
      write.line = first_line(session);
      a.write(write);
      write.line = second_line(session);
      b.write(write);
      completion = describe(track, work.slot, session, work.wide, work.packet, work.direction);
    }
    write.at = index++;
    write.line = completion_line(completion);
    completions.write(write);
  }
  write.end = true;
  a.write(write);
  b.write(write);
  completions.write(write);
  log.write(write);
  half_open_change = change;
}

inline void write_lines(WriteFifo& in, uint64_t first, Line* memory) {
  for (uint64_t i = 0; i < kTokensMax; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const LineWrite write = in.read();
    if (write.end) break;
    memory[first + write.at] = write.line;
  }
}

// Appends to the change log. No slot is in it twice, so a full one is impossible, and says that all is to be scanned.
inline void write_log(const LookupConfig& config, WriteFifo& in, uint32_t* change_log, uint64_t& logged,
                      uint64_t& overflow) {
  uint64_t used = config.logged;
  uint64_t lost = 0;
  for (uint64_t i = 0; i < kTokensMax; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const LineWrite write = in.read();
    if (write.end) break;
    if (used >= config.slots) {
      ++lost;
      continue;
    }
    const uint64_t place = config.log_head + used++;
    change_log[place >= config.slots ? place - config.slots : place] = write.at;
  }
  logged = used;
  overflow = lost;
}

}  // namespace session_engine
}  // namespace phalanx

#endif
