// A card's device that notes where the time of its use goes: calls of the runtime, transfers, kernels at work.
#ifndef PHALANX_TESTS_BENCH_CARD_EMULATED_TIMED_DEVICE_HPP
#define PHALANX_TESTS_BENCH_CARD_EMULATED_TIMED_DEVICE_HPP

#include <array>
#include <chrono>
#include <memory>

#include "drivers/card_driver/device.hpp"

namespace phalanx::bench {

// X(name, words): what the time of a batch is spent in. `run` is from a start until done() says so, however often it
// was asked; the calls that ask are in it.
#define PHALANX_CARD_SPENDING(X)     \
  X(push, "transfers to the card")   \
  X(pull, "transfers from the card") \
  X(arguments, "setting arguments")  \
  X(start, "starting runs")          \
  X(run, "runs of the kernels")
struct Spending {
  struct One {
    double seconds = 0;
    uint64_t calls = 0;
  };
#define PHALANX_SPENDING_MEMBER(name, words) One name;
  PHALANX_CARD_SPENDING(PHALANX_SPENDING_MEMBER)
#undef PHALANX_SPENDING_MEMBER
};

// Of one thread. `spending` must outlive the device.
std::shared_ptr<card_driver::Device> timed_device(std::shared_ptr<card_driver::Device> device, Spending& spending);

}  // namespace phalanx::bench

#endif
