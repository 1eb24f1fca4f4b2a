// The lookup pipeline: a stretch of LOOKUPs, one dataflow stage a function, each with an initiation interval of 1.
//
//   fetch -> hash -> read_buckets x2 -> match_tags -> spread -> read_lines x2, read_wides -> compare -> hold -> execute
//         -> write_lines x3, write_log
//
// The index does not change meanwhile, and of a record nothing that says which packets are its own: so the stages up to
// `compare` may work on records as memory has them, and only `execute` needs the newest.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_LOOKUP_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_LOOKUP_HPP

#include "kernels/session_engine/find_session.hpp"
#include "kernels/session_engine/update_session.hpp"

namespace phalanx {
namespace session_engine {

// A stretch of LOOKUPs that begins with operation `first`.
inline void run_lookups(const LookupConfig& config, uint32_t first, uint32_t count, const Line* operations,
                        Line* completions, const Bucket* buckets_first, const Bucket* buckets_second,
                        const Line* session_a, const Line* session_b, Line* session_a_out, Line* session_b_out,
                        const WideNat* wide, uint32_t* change_log, LookupCounts& counts) {
#pragma HLS inline off
#pragma HLS dataflow
  RequestFifo requests;
  HashedFifo hashed;
  AddressFifo first_addresses, second_addresses, a_addresses, b_addresses, wide_addresses;
  LineFifo first_lines, second_lines, a_lines, b_lines;
  WideFifo wides;
  Stream<Candidates, kShortFifo> candidate_sets;
  CandidateFifo candidates;
  WorkFifo compared, spaced;
  WriteFifo a_writes, b_writes, completion_writes, log_writes;
  PHALANX_DATAFLOW_BEGIN
  PHALANX_STAGE(fetch(operations, first, count, requests, counts.lookups));
  PHALANX_STAGE(hash(config, requests, hashed, first_addresses, second_addresses));
  PHALANX_STAGE(read_lines(buckets_first, first_addresses, first_lines));
  PHALANX_STAGE(read_lines(buckets_second, second_addresses, second_lines));
  PHALANX_STAGE(match_tags(config, hashed, first_lines, second_lines, candidate_sets, counts.bad_entries));
  PHALANX_STAGE(spread(candidate_sets, candidates, a_addresses, b_addresses, wide_addresses));
  PHALANX_STAGE(read_lines(session_a, a_addresses, a_lines));
  PHALANX_STAGE(read_lines(session_b, b_addresses, b_lines));
  PHALANX_STAGE(read_wides(wide, wide_addresses, wides));
  PHALANX_STAGE(compare(candidates, a_lines, b_lines, wides, compared, counts.bad_sessions));
  PHALANX_STAGE(hold(compared, spaced));
  PHALANX_STAGE(execute(config, spaced, a_writes, b_writes, completion_writes, log_writes, counts.half_open));
  PHALANX_STAGE(write_lines(a_writes, 0, session_a_out));
  PHALANX_STAGE(write_lines(b_writes, 0, session_b_out));
  PHALANX_STAGE(write_lines(completion_writes, first, completions));
  PHALANX_STAGE(write_log(config, log_writes, change_log, counts.logged, counts.log_overflow));
  PHALANX_DATAFLOW_END
}

}  // namespace session_engine
}  // namespace phalanx

#endif
