// state_delta: changed sessions (EXTRACT), all sessions of a range (SCAN) and their digest (DIGEST), as records or in
// the packed form of delta and full sync. kernels/abi/delta.hpp is what it is asked and answers, docs/card.md where it
// stands.
//
// A run goes block by block (2048 slots at most), each in two dataflow regions:
//   EXTRACT: read log -> clear marks                                                       (take_changes.hpp)
//   all:     name slots -> read first half ; read second half -> read rewrite -> choose -> encode -> split -> pack
//            -> write lines; push free slots                                               (give_records.hpp)
// The first has returned, its writes are in memory, when the second begins: cleared first, then read.
//
// Clock goal 300 MHz. II a record, by the slowest stage, with 64 reads of 300 ns on their way (1.41 cycles each):
//   DIGEST, SCAN over empty slots  1.41  the reads                    SCAN, records  3     160 bytes are 2.5 lines
//   SCAN, packed                   2     the encoder                  EXTRACT        + 1.41  clearing before
// so at worst 4.4 cycles, 68 M records/s; a block adds some 300 cycles of starts and ends. Latency of a run with one
// record: some 500 cycles, of them 4 memory accesses one after the other.
//
// Traffic a record, EXTRACT: session_a 2 reads and 1 or 2 writes of 64 B, session_b 1 read of 64 B, log 4 B, the long
// rewrite 32 B if there is one, output 160 B or some 11 to 40 B.
//
// Expected, not synthesized: encoder and shift tree 25 k LUTs, digest 13 k LUTs and no DSP (20 rounds of SipHash), 8
// KiB of slots, FIFOs of 128 x 1440 bits 25 BRAM36, ports of 512 bits 8 BRAM36 each.
//
// Damaged state or records never lead outside the table nor to a loop: the state is checked before anything else, slots
// against used_end, and what cannot be is counted in TableState::impossible.
#include "kernels/state_delta/state_delta.hpp"

#include "kernels/state_delta/give_records.hpp"
#include "kernels/state_delta/table_state.hpp"

namespace phalanx {
namespace state_delta {
namespace {

// A SCAN whose room is nearly used up still goes this far at once; what finds no room is left for the next run.
const uint64_t kScanAhead = 256;
// The packed form's room is counted by its longest record; when what is left holds less than this part of what the
// whole output does, another block is not worth its start.
const uint64_t kWorthwhilePart = 16;

struct Run {
  Request request;
  uint64_t first;
  uint64_t count;
  uint64_t output_bytes;
};

struct Totals {
  uint64_t records;
  uint64_t freed;
  uint64_t next;
};

inline uint64_t least(uint64_t x, uint64_t y) { return x < y ? x : y; }

// Records that are sure to find room behind what is packed already.
uint64_t room_for(const Run& run, const Packing& packing, uint64_t at_first) {
  if (run.request.mode == abi::kDeltaDigest) return kBlockSlots;
  const uint64_t left = run.output_bytes - bytes_packed(packing);
  if (run.request.format == abi::kDeltaRecords) return left / sizeof(abi::Record);
  const uint64_t fits = left / hls::delta::kRecordBytes;
  return fits * kWorthwhilePart >= at_first ? fits : 0;
}

uint64_t check_run(const Run& run, uint64_t slots, uint64_t room) {
  const Request& r = run.request;
  const bool mode = r.mode >= abi::kDeltaExtract && r.mode <= abi::kDeltaDigest;
  const bool format =
      r.mode == abi::kDeltaDigest || (r.format >= abi::kDeltaRecords && r.format <= abi::kDeltaSnapshot);
  const bool range = r.mode == abi::kDeltaExtract || (run.first <= slots && room != 0);
  return mode && format && range ? abi::kTableErrorNone : abi::kTableErrorArguments;
}

// Slots [first, end) of a range, cut at those ever used.
uint64_t range_end(const Run& run, uint64_t used_end) {
  if (run.first >= used_end) return run.first;
  return run.count > used_end - run.first ? used_end : run.first + run.count;
}

Block next_block(const Run& run, uint64_t at, uint64_t left, uint64_t room) {
  const bool extract = run.request.mode == abi::kDeltaExtract;
  const uint64_t reach = extract || room > kScanAhead ? room : kScanAhead;
  const Block block = {at, static_cast<uint32_t>(least(least(left, reach), kBlockSlots)),
                       static_cast<uint32_t>(least(room, kBlockSlots))};
  return block;
}

// Where a run stands between two blocks.
struct Progress {
  uint64_t at;          // SCAN, DIGEST: the next slot
  uint64_t end;         // and the end of the range
  uint64_t head;        // EXTRACT: the oldest change's place in the log
  uint64_t logged;      // changes in the log
  uint64_t stacked;     // free slots on the stack
  uint64_t impossible;  // found in this run
  Totals totals;
};

// One block of a run that has `room` for so many records: its changes or slots are gone through when it returns.
void run_block(const Run& run, uint64_t slots, uint64_t used_end, uint64_t room, Line* session_a, const Line* session_b,
               const hls::WideNat* wide, const uint32_t* change_log, uint32_t* free_slot, Line* output, uint32_t* taken,
               Encoder& encoder, Packing& packing, Progress& progress) {
  const bool extract = run.request.mode == abi::kDeltaExtract;
  const uint64_t left = extract ? progress.logged : progress.end - progress.at;
  const Block block = next_block(run, progress.at, left, room);
  const TableRead table = {progress.stacked, used_end};
  const Packing before = packing;
  Given given = {0, 0, 0, 0};
  if (extract) {
    take_changes(session_a, change_log, slots, used_end, progress.head, block.count, taken, progress.impossible);
    const uint64_t behind = progress.head + block.count;
    progress.head = behind >= slots ? behind - slots : behind;
    progress.logged -= block.count;
  }
  give_records(session_a, session_b, wide, free_slot, output, run.request, block, table, taken, encoder, before,
               packing, given);
  const uint64_t stacked = progress.stacked + given.freed;
  progress.impossible += given.impossible + (stacked > used_end ? 1 : 0);
  progress.stacked = least(stacked, used_end);
  progress.totals.records += given.records;
  progress.totals.freed += given.freed;
  progress.at = extract ? progress.at : given.after;
}

// What a checked run begins with.
Progress begin_progress(const Run& run, const StateImage& image) {
  const bool extract = run.request.mode == abi::kDeltaExtract;
  const Progress progress = {run.first,
                             extract ? run.first : range_end(run, PHALANX_STATE_WORD(image, used_end)),
                             PHALANX_STATE_WORD(image, log_head),
                             PHALANX_STATE_WORD(image, logged),
                             PHALANX_STATE_WORD(image, free_slots),
                             0,
                             {0, 0, 0}};
  return progress;
}

// Whether a run is over is asked once a block; each takes at least one change or one slot, so there are at most
// `slots`.
void run_blocks(const Run& run, StateImage& image, Line* session_a, const Line* session_b, const hls::WideNat* wide,
                const uint32_t* change_log, uint32_t* free_slot, Line* output, Encoder& encoder, Packing& packing,
                Totals& totals) {
  const bool extract = run.request.mode == abi::kDeltaExtract;
  const uint64_t slots = PHALANX_STATE_WORD(image, slots);
  const uint64_t used_end = PHALANX_STATE_WORD(image, used_end);
  const uint64_t at_first = room_for(run, packing, 0);
  uint32_t taken[kBlockSlots];
  Progress progress = begin_progress(run, image);
  uint64_t room = extract ? least(at_first, run.count) : at_first;
  while (room != 0 && (extract ? progress.logged != 0 : progress.at != progress.end)) {
    run_block(run, slots, used_end, room, session_a, session_b, wide, change_log, free_slot, output, taken, encoder,
              packing, progress);
    room = room_for(run, packing, at_first);
    if (extract) room = least(room, run.count - progress.totals.records);
  }
  totals = progress.totals;
  totals.next = extract ? progress.logged : (progress.at >= used_end ? 0 : progress.at);
  PHALANX_STATE_WORD(image, now_ms) = run.request.now_ms;
  PHALANX_STATE_WORD(image, free_slots) = progress.stacked;
  PHALANX_STATE_WORD(image, impossible) += progress.impossible;
  PHALANX_STATE_WORD(image, log_head) = progress.head;
  PHALANX_STATE_WORD(image, logged) = progress.logged;
}

// Writes the answer, and what is left of a line.
void answer(const StateImage& image, const Totals& totals, const Encoder& encoder, const Packing& packing,
            const Run& run, uint64_t error, Line* output, Line* result) {
  const bool extract = run.request.mode == abi::kDeltaExtract;
  const uint64_t overflow = extract ? PHALANX_STATE_WORD(image, log_overflow) : 0;
  if (packing.fill != 0) output[packing.lines] = packing.begun;
  const Line line = {{totals.records, bytes_packed(packing), totals.next, encoder.digest.sum, encoder.digest.exclusive,
                      totals.freed, error, overflow}};
  result[0] = line;
}

}  // namespace
}  // namespace state_delta
}  // namespace phalanx

extern "C" void state_delta(phalanx::abi::Line* state, phalanx::abi::Line* session_a,
                            const phalanx::abi::Line* session_b, const phalanx::hls::WideNat* wide,
                            const uint32_t* change_log, uint32_t* free_slot, uint32_t* free_wide,
                            phalanx::abi::Line* output, phalanx::abi::Line* result, uint32_t mode, uint32_t format,
                            uint64_t first, uint64_t count, uint32_t output_lines, uint32_t now_ms,
                            uint64_t base_generation) {
// clang-format off
#pragma HLS INTERFACE m_axi port = state bundle = control offset = slave latency = 300 num_read_outstanding = 1 num_write_outstanding = 1 max_read_burst_length = 16 max_write_burst_length = 16
#pragma HLS INTERFACE m_axi port = session_a bundle = table0 offset = slave latency = 300 num_read_outstanding = 64 num_write_outstanding = 32 max_read_burst_length = 2 max_write_burst_length = 2
#pragma HLS INTERFACE m_axi port = session_b bundle = table1 offset = slave latency = 300 num_read_outstanding = 64 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = wide bundle = wide0 offset = slave latency = 300 num_read_outstanding = 64 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = change_log bundle = log0 offset = slave latency = 300 num_read_outstanding = 4 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = free_slot bundle = log1 offset = slave latency = 300 num_write_outstanding = 32 max_write_burst_length = 2
#pragma HLS INTERFACE m_axi port = free_wide bundle = log1 offset = slave latency = 300
#pragma HLS INTERFACE m_axi port = output bundle = host1 offset = slave latency = 300 num_write_outstanding = 8 max_write_burst_length = 16
#pragma HLS INTERFACE m_axi port = result bundle = host2 offset = slave latency = 300 num_write_outstanding = 1 max_write_burst_length = 2
#pragma HLS INTERFACE s_axilite port = mode
#pragma HLS INTERFACE s_axilite port = format
#pragma HLS INTERFACE s_axilite port = first
#pragma HLS INTERFACE s_axilite port = count
#pragma HLS INTERFACE s_axilite port = output_lines
#pragma HLS INTERFACE s_axilite port = now_ms
#pragma HLS INTERFACE s_axilite port = base_generation
#pragma HLS INTERFACE s_axilite port = return
  // clang-format on
  using namespace phalanx::state_delta;
  (void)free_wide;  // long rewrites lie at their sessions' slots
  StateImage image;
  PHALANX_MEMORY_WAIT();
  PHALANX_STEP(kStateLines);
  load_state(state, image);
  const uint32_t now = later_time(PHALANX_STATE_WORD(image, now_ms), now_ms);
  const Run run = {{mode, format, now}, first, count, static_cast<uint64_t>(output_lines) * kLineBytes};
  Encoder encoder;
  begin_encoder(encoder, base_generation);
  PHALANX_STEP(phalanx::hls::delta::kDictionaryEntries);
  Packing packing = no_lines();
  Totals totals = {0, 0, 0};
  uint64_t error = check_state(image);
  if (error == phalanx::abi::kTableErrorNone) {
    error = check_run(run, PHALANX_STATE_WORD(image, slots), room_for(run, packing, 0));
  }
  if (error == phalanx::abi::kTableErrorNone) {
    run_blocks(run, image, session_a, session_b, wide, change_log, free_slot, output, encoder, packing, totals);
  }
  PHALANX_STATE_WORD(image, error) = error;
  store_state(image, state);
  answer(image, totals, encoder, packing, run, error, output, result);
  PHALANX_STEP(kStateLines + 2);
}
