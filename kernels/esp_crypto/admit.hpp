// The stage of esp_crypto that brings a job, its SA and its packet's header together: what the packet's number is and
// what the stages behind need to know of it.
#ifndef PHALANX_KERNELS_ESP_CRYPTO_ADMIT_HPP
#define PHALANX_KERNELS_ESP_CRYPTO_ADMIT_HPP

#include "kernels/esp_crypto/plan.hpp"

namespace phalanx {
namespace esp_crypto {

// A stretch's SA on chip.
struct KeptSa {
  abi::EspSa sa;   // SEAL: `sequence` is the last one assigned. OPEN: the highest authenticated when the stretch began
  uint64_t ahead;  // OPEN: what it may have become by packets on their way
};

struct Contexts {
  FrameContext frame;
  CryptContext crypt;
  HashContext hash;
  JudgeContext judge;
};

inline bool sa_is_usable(const abi::EspSa& sa, const abi::EspJob& job) {
  return sa.direction == job.direction && (sa.key_bytes == 16 || sa.key_bytes == 32) && sa.window_size % 64 == 0 &&
         sa.window_size <= hls::kReplayWindowMax;
}

inline uint64_t lease_end(const abi::EspSa& sa) {
  return sa.esn == 0 && sa.sequence_limit > 0xffffffffull ? 0xffffffffull : sa.sequence_limit;
}

inline uint64_t number_of(const abi::EspSa& sa, uint64_t highest, uint32_t low) {
  return sa.esn != 0 ? hls::infer_sequence(highest, sa.window_size, low) : low;
}

// Lines as they lie in memory, field by field: what a cast would do, without one.
inline abi::EspSa sa_of_lines(const abi::Line* line) {
  const uint64_t* w = line[0].word;
  abi::EspSa sa;
  sa.spi = static_cast<uint32_t>(w[0]);
  sa.direction = static_cast<uint8_t>(w[0] >> 32);
  sa.key_bytes = static_cast<uint8_t>(w[0] >> 40);
  sa.esn = static_cast<uint8_t>(w[0] >> 48);
  sa.reserved = static_cast<uint8_t>(w[0] >> 56);
  sa.salt = static_cast<uint32_t>(w[1]);
  sa.window_size = static_cast<uint32_t>(w[1] >> 32);
  sa.sequence = w[2];
  sa.sequence_limit = w[3];
  sa.packets = w[4];
  sa.bytes = w[5];
  sa.refused = w[6];
  sa.reserved2 = w[7];
  for (int i = 0; i < 16; ++i) {
#pragma HLS unroll
    sa.window[i] = line[1 + i / 8].word[i % 8];
    sa.h_power[i] = line[7 + i / 8].word[i % 8];
  }
  for (int i = 0; i < 32; ++i) {
#pragma HLS unroll
    sa.round_key[i] = line[3 + i / 8].word[i % 8];
  }
  return sa;
}

inline SaState state_of(uint32_t index, const abi::EspSa& sa, const abi::Line& line0) {
  SaState state;
  state.sa = index;
  state.seal = sa.direction == abi::kEspSeal;
  state.window_size = sa.window_size;
  state.line0 = line0;
  state.sequence = sa.sequence;
  state.packets = sa.packets;
  state.bytes = sa.bytes;
  state.refused = sa.refused;
  for (int i = 0; i < 16; ++i) {
#pragma HLS unroll
    state.window[i] = sa.window[i];
  }
  return state;
}

// Judges a job by its SA. False: the stretch must end before it.
inline bool admit_job(const Ticket& ticket, const abi::Line& head, KeptSa& kept, JudgeContext& judge) {
  abi::EspSa& sa = kept.sa;
  const bool seal = ticket.job.direction == abi::kEspSeal;
  if (!sa_is_usable(sa, ticket.job)) {
    judge.status = abi::EspStatus::kInactive;
  } else if (seal) {
    if (sa.sequence >= lease_end(sa)) {
      judge.status = abi::EspStatus::kExhausted;
    } else {
      judge.sequence = ++sa.sequence;
    }
  } else if (static_cast<uint32_t>(swap_bytes(head.word[0]) >> 32) != sa.spi) {
    judge.status = abi::EspStatus::kInvalid;
  } else {
    // As if the packets before were done: the high half is inferred from the highest authenticated number, which those
    // on their way may yet raise, to `ahead` at most. What is inferred grows with it: if both ends give the same, so
    // does whatever comes out between them.
    const uint32_t low = static_cast<uint32_t>(swap_bytes(head.word[0]));
    judge.sequence = number_of(sa, sa.sequence, low);
    if (judge.sequence != number_of(sa, kept.ahead, low)) return false;
    const bool before_all = judge.sequence > kept.ahead && judge.sequence - kept.ahead >= 1ull << 63;
    if (judge.sequence > kept.ahead && !before_all) kept.ahead = judge.sequence;
  }
  return true;
}

inline Contexts contexts_of(const Ticket& ticket, const abi::Line& head, const abi::EspSa& sa,
                            const JudgeContext& judge) {
  Contexts c;
  const abi::EspJob& job = ticket.job;
  const bool seal = job.direction == abi::kEspSeal;
  const uint64_t spi_and_number = static_cast<uint64_t>(sa.spi) << 32 | (judge.sequence & 0xffffffff);
  c.judge = judge;
  c.frame = {lines_of(job.input_bytes),
             judge.data_bytes,
             seal,
             judge.status != abi::EspStatus::kDone,
             {spi_and_number, judge.sequence},
             false};
  for (int i = 0; i < 2 * hls::kAesRoundKeysMax; ++i) {
#pragma HLS unroll
    c.crypt.round_key[i] = sa.round_key[i];
  }
  c.crypt.rounds = static_cast<uint32_t>(hls::aes_rounds(sa.key_bytes));
  c.crypt.salt = sa.salt;
  c.crypt.iv = seal ? judge.sequence : swap_bytes(head.word[1]);
  c.crypt.aad = hls::gcm_esp_aad(sa.spi, judge.sequence, sa.esn != 0);
  c.crypt.aad_bytes = hls::gcm_esp_aad_bytes(sa.esn != 0);
  c.crypt.data_bytes = judge.data_bytes;
  c.crypt.seal = seal;
  c.crypt.end = false;
  for (int i = 0; i < hls::kGcmPowers; ++i) {
#pragma HLS unroll
    c.hash.power[i] = {sa.h_power[2 * i], sa.h_power[2 * i + 1]};
  }
  c.hash.blocks = packet_blocks(judge.data_bytes);
  c.hash.end = false;
  return c;
}

inline void end_contexts(FrameContexts& frames, CryptContexts& crypts, HashContexts& hashes, JudgeContexts& judges) {
  Contexts c = {};
  c.frame.end = true;
  c.crypt.end = true;
  c.hash.end = true;
  c.judge.end = true;
  frames.write(c.frame);
  crypts.write(c.crypt);
  hashes.write(c.hash);
  judges.write(c.judge);
}

// How far a stretch came.
struct Progress {
  uint32_t admitted;  // jobs
  bool cut;           // what came in behind them was thrown away
};

// Two cycles a job, and nine more for an SA's first.
inline void admit(Tickets& tickets, Lines& sa_lines, Lines& heads, KeptSa* kept, SaStates& states,
                  FrameContexts& frames, CryptContexts& crypts, HashContexts& hashes, JudgeContexts& judges,
                  Progress* progress) {
  uint32_t count = 0;
  bool over = false;
  for (Ticket ticket = tickets.read(); !ticket.end; ticket = tickets.read()) {
#pragma HLS loop_tripcount min = 1 max = kStretchJobs
    PHALANX_STEP(2);
    const bool known = ticket.status == abi::EspStatus::kDone;  // its SA and its lines are being read
    KeptSa& sa = kept[ticket.slot];
    abi::Line line[abi::kSaLines];
    if (ticket.fresh) {
      for (uint32_t i = 0; i < abi::kSaLines; ++i) {
#pragma HLS pipeline II = 1
        PHALANX_STEP(1);
        line[i] = sa_lines.read();
      }
      sa.sa = sa_of_lines(line);
      sa.ahead = sa.sa.sequence;
    }
    const abi::Line head = known ? heads.read() : abi::Line{};
    JudgeContext judge = {ticket.status,
                          ticket.job.direction == abi::kEspSeal,
                          ticket.fresh,
                          ticket.slot,
                          0,
                          known ? job_data_bytes(ticket.job) : 0,
                          ticket.job.output_line,
                          false};
    if (!over && known) over = !admit_job(ticket, head, sa, judge);
    if (known) {
      Contexts c = contexts_of(ticket, head, sa.sa, judge);
      c.frame.discard = c.frame.discard || over;
      frames.write(c.frame);
      if (!c.frame.discard) crypts.write(c.crypt);
      if (!c.frame.discard) hashes.write(c.hash);
    }
    if (over) continue;
    if (ticket.fresh) states.write(state_of(ticket.job.sa, sa.sa, line[0]));
    judges.write(judge);
    ++count;
  }
  end_contexts(frames, crypts, hashes, judges);
  progress->admitted = count;
  progress->cut = over;
}

}  // namespace esp_crypto
}  // namespace phalanx

#endif
