// session_engine: LOOKUP, INSERT, DELETE, APPLY and AGE of a batch, in order, on the table in the card's memory.
// docs/card.md says how; layouts: kernels/abi. What comes out is the CPU engine's, bit for bit.
//
// Goal: 300 MHz (3.33 ns). These figures are the design's and the native model's; no tool has been run on it here.
//
// LOOKUP, in stretches through the pipeline of session_engine/lookup.hpp:
//   II         1 in every stage; the fetch of 96-byte operations from a 64-byte port is 1.5, so 200 M lookups/s at
//              most. A session that was in `execute` less than 24 cycles ago waits for the rest of them: 12.5 M/s in
//              the worst case, all packets of one session.
//   latency    three reads of memory in a row (operation, buckets, record: 90 cycles each at 300 ns) + 24 (execute)
//              + some 20 of short stages: about 320 cycles, 1.1 us, before the batch's last completion is written.
//   memory     a lookup: buckets 2 x 64 B, record 128 B read and 128 B written, each line on a port of its own, so
//              one access a cycle a port; IPv6 32 B of long rewrite. At 148.8 M/s that is 9.5 GB/s a port, 57 GB/s in
//              all, of 64-byte random accesses: each port needs a group of HBM channels of its own. Host: 96 B in,
//              64 B out.
// INSERT, DELETE, APPLY in windows of up to 32 in a row (session_engine/window.hpp): one after the other, on lines read
//              ahead for all of them; some six memory latencies a window and 60 to 130 cycles a change, of which
//              hashing takes 24 a key. By itself a change costs 0.5 to 0.6 k cycles. What was not read ahead waits for
//              memory: an entry that has to move, 2 reads a bucket that is looked at (256 buckets at most).
// AGE: one record a cycle, and some 5 reads for each session that it ends.
// Measured figures of the model: docs/performance.md, "The card".
// Resources expected: 70-100 k LUT, most of them tracking (about 15 k), recent-writes compare (256 x 30 bits, 4 k), the
// same of held lines (224 x 32 bits), two SipHash pipelines and the change logic; 60-90 k registers; 190 BRAM36 (FIFOs
// of 128 x 0.5-1 kbit; 256 records of 1024 bits in the store: 15; a window and its lines: 60); DSP under 20 (reduction
// of hashes to buckets).
#include "kernels/session_engine/session_engine.hpp"

#include "kernels/session_engine/lookup.hpp"
#include "kernels/session_engine/window.hpp"

namespace phalanx {
namespace session_engine {

// Operation `index`, two lines at once.
static abi::Operation read_operation(const Line* operations, uint32_t index) {
  PHALANX_MEMORY_WAIT();
  const uint64_t at = operation_line(index);
  const Line low = operations[at];
  const Line high = operations[at + 1];
  return operation_of(operation_words((index & 1) != 0, low, high));
}

static LookupConfig lookup_config(const abi::TableState& state) {
  LookupConfig config = {};
  config.hash_seed[0] = state.hash_seed[0];
  config.hash_seed[1] = state.hash_seed[1];
  config.buckets = state.buckets;
  config.slots = state.slots;
  config.used_end = state.used_end;
  config.log_head = state.log_head;
  config.logged = state.logged;
  config.now_ms = static_cast<uint32_t>(state.now_ms);
  config.age_floor_ms = static_cast<uint32_t>(state.age_floor_ms);
  config.track = track_config(state);
  config.stashed = static_cast<uint32_t>(state.stashed);
  for (uint32_t i = 0; i < abi::kStashEntries; ++i) {
#pragma HLS unroll
    config.stash[i] = state.stash[i];
  }
  return config;
}

static void count_lookups(const LookupCounts& counts, abi::TableState& state) {
  state.logged = counts.logged;
  state.log_overflow += counts.log_overflow;
  state.impossible += counts.bad_entries + counts.bad_sessions;
  state.half_open += counts.half_open;
}

// The batch: stretches of LOOKUPs through the pipeline, changes in windows, AGE by itself. EXTRACT and SCAN are
// state_delta's.
static void run(uint32_t operation_count, const Line* operations, const Line* records, Line* completions,
                PHALANX_TABLE_PARAMETERS) {
  for (uint32_t at = 0; at < operation_count;) {
    const abi::Operation operation = read_operation(operations, at);
    state.run = operation.run;
    if (operation.opcode == abi::Opcode::kLookup) {
      LookupCounts counts = {};
      run_lookups(lookup_config(state), at, operation_count, operations, completions, buckets_first, buckets_second,
                  session_a, session_b, session_a_out, session_b_out, wide, change_log, counts);
      count_lookups(counts, state);
      at += counts.lookups;
    } else if (in_window(operation.opcode)) {
      at += run_window(operation, operations, records, at, operation_count, completions, PHALANX_TABLE);
    } else {
      PHALANX_STEP(1);
      const bool is_age = operation.opcode == abi::Opcode::kAge;
      completions[at] = completion_line(is_age ? age(operation.argument, operation.count, PHALANX_TABLE)
                                               : completion_with(Result::kInvalid));
      ++at;
    }
  }
}

}  // namespace session_engine
}  // namespace phalanx

// Ports: 512 bits wide, 300 cycles of latency for the tool's schedule. Random reads: single beats, 64 under way. Host
// memory: bursts of 16 beats.
extern "C" void session_engine(const phalanx::abi::Line* operations, const phalanx::abi::Line* records,
                               phalanx::abi::Line* completions, phalanx::abi::Line* state,
                               phalanx::abi::Bucket* buckets_first, phalanx::abi::Bucket* buckets_second,
                               const phalanx::abi::Line* session_a, const phalanx::abi::Line* session_b,
                               phalanx::abi::Line* session_a_out, phalanx::abi::Line* session_b_out,
                               phalanx::hls::WideNat* wide, uint32_t* change_log, uint32_t* free_slot,
                               uint32_t* free_wide, uint32_t operation_count, uint32_t now_ms) {
// clang-format off
#pragma HLS INTERFACE m_axi port = operations bundle = host0 offset = slave latency = 300 num_read_outstanding = 8 max_read_burst_length = 16
#pragma HLS INTERFACE m_axi port = records bundle = host1 offset = slave latency = 300 num_read_outstanding = 4 max_read_burst_length = 4
#pragma HLS INTERFACE m_axi port = completions bundle = host2 offset = slave latency = 300 num_write_outstanding = 8 max_write_burst_length = 16
#pragma HLS INTERFACE m_axi port = state bundle = control offset = slave latency = 300 num_read_outstanding = 1 num_write_outstanding = 1 max_read_burst_length = 16 max_write_burst_length = 16
#pragma HLS INTERFACE m_axi port = buckets_first bundle = index0 offset = slave latency = 300 num_read_outstanding = 64 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = buckets_second bundle = index1 offset = slave latency = 300 num_read_outstanding = 64 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = session_a bundle = table0 offset = slave latency = 300 num_read_outstanding = 64 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = session_b bundle = table1 offset = slave latency = 300 num_read_outstanding = 64 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = session_a_out bundle = table2 offset = slave latency = 300 num_write_outstanding = 32 max_write_burst_length = 2
#pragma HLS INTERFACE m_axi port = session_b_out bundle = table3 offset = slave latency = 300 num_write_outstanding = 32 max_write_burst_length = 2
#pragma HLS INTERFACE m_axi port = wide bundle = wide0 offset = slave latency = 300 num_read_outstanding = 64 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = change_log bundle = log0 offset = slave latency = 300 num_write_outstanding = 32 max_write_burst_length = 16
#pragma HLS INTERFACE m_axi port = free_slot bundle = log1 offset = slave latency = 300 num_read_outstanding = 1 num_write_outstanding = 4 max_read_burst_length = 2
#pragma HLS INTERFACE m_axi port = free_wide bundle = log1 offset = slave latency = 300
#pragma HLS INTERFACE s_axilite port = operation_count
#pragma HLS INTERFACE s_axilite port = now_ms
#pragma HLS INTERFACE s_axilite port = return
  // clang-format on
  (void)free_wide;  // long rewrites lie at their sessions' slots
  phalanx::abi::TableState table;
  PHALANX_MEMORY_WAIT();
  PHALANX_STEP(phalanx::session_engine::kStateLines);
  phalanx::session_engine::load_state(state, table);
  table.error = phalanx::session_engine::state_error(table);
  if (table.error == phalanx::abi::kTableErrorNone) {
    table.now_ms = now_ms;  // that it never goes back is the host's to see to: card_table::Clock
    phalanx::session_engine::Held held;
    phalanx::session_engine::hold_nothing(held);
    phalanx::session_engine::run(operation_count, operations, records, completions, table, held, buckets_first,
                                 buckets_second, session_a, session_b, session_a_out, session_b_out, wide, change_log,
                                 free_slot);
    table.wide_used_end = table.used_end;
    table.wide_free = 0;
  }
  PHALANX_STEP(phalanx::session_engine::kStateLines);
  phalanx::session_engine::store_state(table, state);
}
