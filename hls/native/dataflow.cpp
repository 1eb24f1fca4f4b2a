#include "hls/native/dataflow.hpp"

#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include <algorithm>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace phalanx {
namespace hls {
namespace native {
namespace {

// A stage's locals are a few records and lines; the sanitizers need the rest.
constexpr size_t kStackBytes = 256u << 10;
constexpr uint32_t kStartCycles = 2;  // ap_start to the first iteration

struct Fiber {
  std::string name;
  std::function<void()> stage;
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  uint64_t now = 0;
  bool reading = false;         // memory_read() was called in this iteration
  std::vector<uint64_t> reads;  // ring: when the last `memory_outstanding` reads come back
  uint64_t read_count = 0;
  uint64_t waits_since = 0;  // Thread::progress when it last blocked
  bool blocked = false;
  bool done = false;
};

struct Thread {
  Settings settings;
  uint64_t random = 1;
  uint64_t cycles = 0;
  uint64_t progress = 0;  // values written and read
  Fiber* running = nullptr;
  ucontext_t scheduler;
  std::vector<std::unique_ptr<char[]>> stacks;  // of finished stages, for the next
#if defined(__SANITIZE_ADDRESS__)
  const void* scheduler_stack = nullptr;
  size_t scheduler_stack_bytes = 0;
#endif
};

// One scheduler a thread: kernels of several compute units run in threads of their own.
Thread& thread() {
  thread_local Thread one;
  return one;
}

uint64_t draw(Thread& t) {
  t.random ^= t.random << 13;
  t.random ^= t.random >> 7;
  t.random ^= t.random << 17;
  return t.random;
}

void to_scheduler(Thread& t) {
  Fiber* self = t.running;
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(self->done ? nullptr : &fake, t.scheduler_stack, t.scheduler_stack_bytes);
#endif
  swapcontext(&self->context, &t.scheduler);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void begin_fiber() {
  Thread& t = thread();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &t.scheduler_stack, &t.scheduler_stack_bytes);
#endif
  t.running->stage();
  t.running->done = true;
  to_scheduler(t);
}

void resume(Thread& t, Fiber& fiber) {
  t.running = &fiber;
  fiber.blocked = false;
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, fiber.stack.get(), kStackBytes);
#endif
  swapcontext(&t.scheduler, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
  t.running = nullptr;
}

}  // namespace

void set_settings(const Settings& settings) {
  thread().settings = settings;
  thread().random = settings.seed * 0x9e3779b97f4a7c15ull | 1;
}

Settings settings() { return thread().settings; }

uint64_t cycles() { return thread().running != nullptr ? thread().running->now : thread().cycles; }
void reset_cycles() { thread().cycles = 0; }

void step(uint32_t interval) {
  Thread& t = thread();
  if (t.running == nullptr) {
    t.cycles += interval;
    return;
  }
  t.running->now += interval;
  t.running->reading = false;
}

void memory_read() {
  Thread& t = thread();
  Fiber* self = t.running;
  if (self == nullptr) return memory_wait();
  self->reads.resize(t.settings.memory_outstanding, 0);
  uint64_t& oldest = self->reads[self->read_count++ % t.settings.memory_outstanding];
  self->now = std::max(self->now, oldest);
  oldest = self->now + t.settings.memory_latency;
  self->reading = true;
}

void memory_wait() {
  Thread& t = thread();
  (t.running == nullptr ? t.cycles : t.running->now) += t.settings.memory_latency;
}

namespace fiber {

void block() {
  Thread& t = thread();
  if (t.running == nullptr) {
    fprintf(stderr, "a stream blocks outside of a dataflow region: nobody will ever go on\n");
    abort();
  }
  t.running->blocked = true;
  t.running->waits_since = t.progress;
  to_scheduler(t);
}

void maybe_yield() {
  Thread& t = thread();
  if (t.running != nullptr && t.settings.stalls && draw(t) % 8 == 0) to_scheduler(t);
}

uint64_t now() { return cycles(); }

void progressed() { ++thread().progress; }

void advance_to(uint64_t cycle) {
  Thread& t = thread();
  uint64_t& clock = t.running != nullptr ? t.running->now : t.cycles;
  clock = std::max(clock, cycle);
}

uint64_t arrival() {
  Thread& t = thread();
  if (t.running == nullptr) return t.cycles + 1;
  return t.running->now + 1 + (t.running->reading ? t.settings.memory_latency : 0);
}

}  // namespace fiber

namespace {

[[noreturn]] void give_up(const std::vector<std::unique_ptr<Fiber>>& fibers) {
  fprintf(stderr, "dataflow deadlock; unfinished stages:\n");
  for (const auto& one : fibers) {
    if (!one->done) fprintf(stderr, "  %s\n", one->name.c_str());
  }
  abort();
}

}  // namespace

struct Region::State {
  std::vector<std::unique_ptr<Fiber>> fibers;
};

Region::Region() : state_(new State) {}
Region::~Region() = default;

void Region::add(const char* name, std::function<void()> stage) {
  Thread& t = thread();
  std::unique_ptr<Fiber> fiber(new Fiber);
  fiber->name = name;
  fiber->stage = std::move(stage);
  fiber->now = t.cycles + kStartCycles;
  if (t.stacks.empty()) {
    fiber->stack.reset(new char[kStackBytes]);
  } else {
    fiber->stack = std::move(t.stacks.back());
    t.stacks.pop_back();
  }
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack.get();
  fiber->context.uc_stack.ss_size = kStackBytes;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, begin_fiber, 0);
  state_->fibers.push_back(std::move(fiber));
}

// A stage that blocked is tried again once some value has moved. If there is none left to try, it is a deadlock.
void Region::run() {
  Thread& t = thread();
  auto& fibers = state_->fibers;
  size_t left = fibers.size();
  size_t at = 0;
  while (left != 0) {
    const size_t begin = t.settings.stalls ? draw(t) % fibers.size() : at + 1;
    Fiber* next = nullptr;
    for (size_t i = 0; i < fibers.size() && next == nullptr; ++i) {
      at = (begin + i) % fibers.size();
      Fiber& fiber = *fibers[at];
      if (!fiber.done && !(fiber.blocked && fiber.waits_since == t.progress)) next = &fiber;
    }
    if (next == nullptr) give_up(fibers);
    resume(t, *next);
    if (!next->done) continue;
    --left;
    t.stacks.push_back(std::move(next->stack));
  }
  uint64_t end = t.cycles;
  for (const auto& fiber : fibers) end = std::max(end, fiber->now);
  t.cycles = end;
}

}  // namespace native
}  // namespace hls
}  // namespace phalanx
