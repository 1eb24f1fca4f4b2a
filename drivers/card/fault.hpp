// What can go wrong with a card, and the interface to an engine that can: an Accelerator with a state.
#ifndef PHALANX_DRIVERS_CARD_FAULT_HPP
#define PHALANX_DRIVERS_CARD_FAULT_HPP

#include <cstdint>
#include <string>

#include "drivers/accelerator.hpp"

namespace phalanx {

// X(name, text for logs and management)
#define PHALANX_CARD_FAULTS(X)                           \
  X(kNone, "none")                                       \
  X(kHung, "a batch was not answered in its time limit") \
  X(kDied, "the card's process ended")                   \
  X(kImpossible, "the card answered what cannot be")     \
  X(kRefused, "the card's process refused")              \
  X(kNotStarted, "the card's process cannot be started")

enum class CardFaultKind : uint8_t {
#define PHALANX_CARD_FAULT_ENUMERATOR(name, text) name,
  PHALANX_CARD_FAULTS(PHALANX_CARD_FAULT_ENUMERATOR)
#undef PHALANX_CARD_FAULT_ENUMERATOR
};

// The text of PHALANX_CARD_FAULTS.
const char* card_fault_text(CardFaultKind kind);

// Why a card cannot be used. `what` says which field, limit, signal or message it was.
struct CardFault {
  CardFaultKind kind = CardFaultKind::kNone;
  std::string what;
  std::string text() const;  // "a batch was not answered in its time limit: 5 operations, 250 ms"
};

enum class CardState : uint8_t {
  kStopped = 0,   // not started, or stopped on purpose
  kStarting = 1,  // its process is being started and the card prepared
  kReady = 2,     // takes batches; its table was empty when it became ready
  kFaulted = 3,   // last_fault() says why; every batch not polled is lost, and so is its table
};
const char* card_state_text(CardState state);

// An engine that can be lost. One thread.
class CardAccelerator : public Accelerator {
 public:
  virtual CardState state() const = 0;
  // The latest fault; kNone if there never was one.
  virtual const CardFault& last_fault() const = 0;
  // Starts, restarts after a fault with back-off, notices that a process is ready or has ended. To be called every few
  // milliseconds; never waits for the card. In kFaulted submit() is FailedPrecondition and poll() gives nothing.
  virtual void tend(int64_t now_ns) = 0;
  // The caller has found that the card cannot be trusted: kFaulted with kImpossible. Nothing is written to the spans of
  // batches from here on.
  virtual void condemn(std::string why) = 0;
  // Counts up each time the card becomes ready: another number, another (empty) table.
  virtual uint64_t incarnation() const = 0;
};

}  // namespace phalanx

#endif
