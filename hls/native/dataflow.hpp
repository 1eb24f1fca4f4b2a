// Kernels without an HLS tool: every stage of a dataflow region is a fiber of the calling thread, and every FIFO is as
// deep as the kernel declares it. Who runs next is drawn from a seed, so a run replays exactly.
//
// Beside running them it counts cycles. Each fiber has a clock of its own; a value carries the cycle in which it can be
// read, and a FIFO's place the cycle in which it became free. So the cycles do not depend on who ran when: a region
// takes as long as its slowest chain of initiation intervals, FIFO depths and memory latencies.
#ifndef PHALANX_HLS_NATIVE_DATAFLOW_HPP
#define PHALANX_HLS_NATIVE_DATAFLOW_HPP

#include <stdint.h>

#include <functional>
#include <memory>

namespace phalanx {
namespace hls {
namespace native {

// Of the calling thread, from the next region on.
struct Settings {
  uint64_t seed = 1;
  bool stalls = false;               // stages also give way at random where they need not
  uint32_t memory_latency = 90;      // cycles of a random read: 300 ns at 300 MHz
  uint32_t memory_outstanding = 64;  // reads that one stage may have on their way
};
void set_settings(const Settings& settings);
Settings settings();

// Cycles since reset_cycles() on this thread.
uint64_t cycles();
void reset_cycles();

void step(uint32_t interval);
void memory_read();
void memory_wait();

// For Stream.
namespace fiber {
void block();        // until a value has moved somewhere
void progressed();   // one has
void maybe_yield();  // at random, if `stalls` is set
uint64_t now();      // the stage's clock
void advance_to(uint64_t cycle);
uint64_t arrival();  // when what the stage writes now can be read
}  // namespace fiber

// A dataflow region: its stages run until all have returned. Ends the program, naming the stages, if none can go on:
// FIFOs too short for the kernel's own traffic are a defect of the kernel.
class Region {
 public:
  Region();
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  void add(const char* name, std::function<void()> stage);
  void run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace native
}  // namespace hls
}  // namespace phalanx

#endif
