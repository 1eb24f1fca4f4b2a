// esp_crypto: seals and opens ESP packets (RFC 4303, RFC 4106) with the SA table on the card. docs/card.md.
//
//   plan -> expand -> read SA lines --.
//     |--> expand -> read input --> heads -> admit --> contexts of frame, crypt, hash, judge
//     '--> tickets ---------------------------'
//   input lines -> frame -> crypt -> hash -> judge -> write packets
//                             '--- held beats ------------'
//
// A batch is cut into stretches; between them the pipeline is empty and what it changed is in memory. A stretch ends at
// its 1024th job, before a job whose SA needs the place of another on chip (256 places by index), and before one whose
// high sequence bits depend on whether a packet on its way will be authentic. So packets of one SA follow each other
// without waiting, and each is judged as if those before it were done.
//
// Initiation interval: 1 for beats (64 bytes), 2 for packets; an SA's first packet of a stretch 11. A packet with n
// bytes of data has (n + 32) / 64 beats, rounded up: 1408 B in 23 cycles, 64 B in 2, other than by its SA alone. At
// 300 MHz that is 147 Gb/s and 77 Gb/s of data, with 128 reads of 64 B in flight; with 64 in flight at 300 ns they
// bound it: 63 lines in 90 cycles, 104 Gb/s at 1408 B. The cycle model's figures for whole batches:
// docs/performance.md. Latency: about 90 (jobs) + 90 (packet, SA) cycles of memory, 14 rounds, 4 products, and a
// packet's own beats, since none leaves before its tag is known; some 300 cycles at 1408 B. Expected, not synthesized.
// Memory: of a packet sealed or opened, its lines in (23 at 1408 B) and its lines out, 32 B of job, 16 B of result; of
// an SA and stretch 9 lines in and 3 out.
// Resources, expected: 4 x 14 rounds x 16 S-boxes (about 40 LUT each as a circuit, 36 k) with mixing 60 k LUT; 7 GHASH
// products of about 3 k LUT; URAM for 256 SAs (64, by width) and held beats (8); FIFOs 40 k LUT/SRL; 120 k FF.
// Clock goal 300 MHz.
#include "kernels/esp_crypto/esp_crypto.hpp"

#include "kernels/esp_crypto/admit.hpp"
#include "kernels/esp_crypto/datapath.hpp"
#include "kernels/esp_crypto/judge.hpp"
#include "kernels/esp_crypto/plan.hpp"

namespace phalanx {
namespace esp_crypto {
namespace {

// One stretch, of at most `count` jobs from `first` on.
void run_stretch(const abi::EspJob* jobs, const abi::Line* input, abi::Line* output, abi::EspResult* results,
                 const abi::Line* sa_table, uint32_t first, uint32_t count, uint32_t sa_count, KeptSa* kept,
                 SaState* states, Used* used, Progress* progress) {
#pragma HLS inline off
#pragma HLS dataflow
  Tickets tickets;
  Ranges input_ranges, sa_ranges;
  Addresses input_addresses, sa_addresses;
  Lines sa_lines, heads, lines;
  SaStates fresh_states;
  FrameContexts frames;
  CryptContexts crypts;
  HashContexts hash_contexts;
  JudgeContexts judges;
  Beats beats, hashes;
  HeldBeats held;
  Blocks icvs, tag_masks, digests;
  Verdicts verdicts;
  PHALANX_DATAFLOW_BEGIN
  PHALANX_STAGE(plan(jobs, first, count, sa_count, tickets, input_ranges, sa_ranges));
  PHALANX_STAGE(expand(sa_ranges, sa_addresses));
  PHALANX_STAGE(read_sa_lines(sa_table, sa_addresses, sa_lines));
  PHALANX_STAGE(expand(input_ranges, input_addresses));
  PHALANX_STAGE(read_input_lines(input, input_addresses, heads, lines));
  PHALANX_STAGE(admit(tickets, sa_lines, heads, kept, fresh_states, frames, crypts, hash_contexts, judges, progress));
  PHALANX_STAGE(frame(frames, lines, beats, icvs));
  PHALANX_STAGE(crypt(crypts, beats, held, hashes, tag_masks));
  PHALANX_STAGE(hash(hash_contexts, hashes, digests));
  PHALANX_STAGE(judge(judges, fresh_states, tag_masks, digests, icvs, states, used, verdicts));
  PHALANX_STAGE(write_packets(verdicts, held, output, results + first));
  PHALANX_DATAFLOW_END
}

}  // namespace
}  // namespace esp_crypto
}  // namespace phalanx

extern "C" void esp_crypto(const phalanx::abi::EspJob* jobs, const phalanx::abi::Line* input,
                           phalanx::abi::Line* output, phalanx::abi::EspResult* results, phalanx::abi::Line* sa_table,
                           uint32_t job_count, uint32_t sa_count) {
#pragma HLS interface m_axi port = jobs bundle = host0 offset = slave max_read_burst_length = 16
#pragma HLS interface m_axi port = input bundle = host1 offset = slave num_read_outstanding = \
    128 max_read_burst_length = 2
#pragma HLS interface m_axi port = output bundle = host1 offset = slave max_write_burst_length = 16
#pragma HLS interface m_axi port = results bundle = host2 offset = slave max_write_burst_length = 16
#pragma HLS interface m_axi port = sa_table bundle = sa0 offset = slave num_read_outstanding = \
    64 max_read_burst_length = 2
#pragma HLS interface s_axilite port = job_count
#pragma HLS interface s_axilite port = sa_count
#pragma HLS interface s_axilite port = return
  using namespace phalanx::esp_crypto;
  KeptSa kept[kSaSlots];
  SaState states[kSaSlots];
  Used used;
#pragma HLS bind_storage variable = kept type = ram_t2p impl = uram
#pragma HLS bind_storage variable = states type = ram_t2p impl = uram
  uint32_t first = 0;
  uint32_t limit = kStretchJobs;
  while (first < job_count) {
    const uint32_t left = job_count - first;
    Progress progress = {0, false};
    run_stretch(jobs, input, output, results, sa_table, first, left < limit ? left : limit, sa_count, kept, states,
                &used, &progress);
    write_back(states, used, sa_table);
    first += progress.admitted;
    limit = progress.cut ? kStretchJobsMin : limit >= kStretchJobs ? kStretchJobs : 2 * limit;
  }
}
