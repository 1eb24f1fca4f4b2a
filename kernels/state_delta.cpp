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
// Expected, not synthesized: encoder and shift tree 25 k LUTs, digest 340 DSPs (17 x 2 products of 64 bits, halved at
// the encode stage's II=2), 8 KiB of slots, FIFOs of 128 x 1440 bits 25 BRAM36, ports of 512 bits 8 BRAM36 each.
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
  const bool extract = mode == phalanx::abi::kDeltaExtract;
  const uint64_t slots = PHALANX_STATE_WORD(image, slots);
  const uint64_t used_end = PHALANX_STATE_WORD(image, used_end);
  const uint32_t now = later_time(PHALANX_STATE_WORD(image, now_ms), now_ms);
  const Run run = {{mode, format, now}, first, count, static_cast<uint64_t>(output_lines) * kLineBytes};
  Encoder encoder;
  begin_encoder(encoder, base_generation);
  PHALANX_STEP(phalanx::hls::delta::kDictionaryEntries);
  Packing packing = no_lines();
  Totals totals = {0, 0, 0};
  const uint64_t at_first = room_for(run, packing, 0);
  uint64_t error = check_state(image);
  if (error == phalanx::abi::kTableErrorNone) error = check_run(run, slots, at_first);

  uint32_t taken[kBlockSlots];
  uint64_t at = first;
  const uint64_t end = error != 0 ? at : range_end(run, used_end);
  uint64_t logged = error != 0 || !extract ? 0 : PHALANX_STATE_WORD(image, logged);
  uint64_t head = PHALANX_STATE_WORD(image, log_head);
  uint64_t stacked = PHALANX_STATE_WORD(image, free_slots);
  uint64_t impossible = 0;
  uint64_t room = extract ? least(at_first, count) : at_first;
  uint64_t left = extract ? logged : end - at;
  // Each turn takes at least one change or one slot, so there are at most `slots` of them.
  while (left != 0 && room != 0) {
    const Block block = next_block(run, at, left, room);
    Given given = {0, 0, 0, 0};
    Packing packed_now = packing;
    const TableRead table = {stacked, used_end};
    if (extract) {
      take_changes(session_a, change_log, slots, used_end, head, block.count, taken, impossible);
      head = head + block.count >= slots ? head + block.count - slots : head + block.count;
      logged -= block.count;
    }
    give_records(session_a, session_b, wide, free_slot, output, run.request, block, table, taken, encoder, packing,
                 packed_now, given);
    packing = packed_now;
    totals.records += given.records;
    totals.freed += given.freed;
    impossible += given.impossible;
    if (stacked + given.freed > used_end) ++impossible;
    stacked = least(stacked + given.freed, used_end);
    at = extract ? at : given.after;
    left = extract ? logged : end - at;
    room = room_for(run, packing, at_first);
    if (extract) room = least(room, count - totals.records);
  }
  totals.next = extract ? logged : (at >= used_end ? 0 : at);

  PHALANX_STATE_WORD(image, error) = error;
  if (error == phalanx::abi::kTableErrorNone) {
    PHALANX_STATE_WORD(image, now_ms) = now;
    PHALANX_STATE_WORD(image, free_slots) = stacked;
    PHALANX_STATE_WORD(image, impossible) += impossible;
    if (extract) PHALANX_STATE_WORD(image, log_head) = head;
    if (extract) PHALANX_STATE_WORD(image, logged) = logged;
  }
  store_state(image, state);
  answer(image, totals, encoder, packing, run, error, output, result);
  PHALANX_STEP(kStateLines + 2);
}
