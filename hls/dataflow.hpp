// How a kernel says what its dataflow region is made of, and what its loops cost.
//
//   #pragma HLS dataflow
//   hls::Stream<Address, 64> addresses;
//   hls::Stream<Line, 64> lines;
//   PHALANX_DATAFLOW_BEGIN
//   PHALANX_STAGE(issue(operations, count, addresses));
//   PHALANX_STAGE(read_lines(memory, count, addresses, lines));
//   PHALANX_DATAFLOW_END
//
// An HLS tool sees plain calls. Natively each stage is a fiber, its FIFOs are as deep as declared, and one that would
// block gives way to another (hls/native/dataflow.hpp). Regions do not nest.
//
// In the body of a pipelined loop:
//   PHALANX_STEP(ii)       one iteration begins `ii` cycles after the one before
//   PHALANX_MEMORY_READ()  what this iteration writes to its streams comes out of a random read of memory
//   PHALANX_MEMORY_WAIT()  outside of dataflow: the code waits here for one random access of memory
#ifndef PHALANX_HLS_DATAFLOW_HPP
#define PHALANX_HLS_DATAFLOW_HPP

#if defined(__SYNTHESIS__)

#define PHALANX_DATAFLOW_BEGIN
#define PHALANX_STAGE(call) call
#define PHALANX_DATAFLOW_END
#define PHALANX_STEP(ii)
#define PHALANX_MEMORY_READ()
#define PHALANX_MEMORY_WAIT()

#else

#include "hls/native/dataflow.hpp"

#define PHALANX_DATAFLOW_BEGIN ::phalanx::hls::native::Region phalanx_region;
#define PHALANX_STAGE(call) phalanx_region.add(#call, [&] { call; })
#define PHALANX_DATAFLOW_END phalanx_region.run();
#define PHALANX_STEP(ii) ::phalanx::hls::native::step(ii)
#define PHALANX_MEMORY_READ() ::phalanx::hls::native::memory_read()
#define PHALANX_MEMORY_WAIT() ::phalanx::hls::native::memory_wait()

#endif

#endif
