// What the hardware suite does with a card, each in a process of its own.
#ifndef PHALANX_TESTS_HARDWARE_CARD_CASE_HPP
#define PHALANX_TESTS_HARDWARE_CARD_CASE_HPP

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "drivers/card_driver/open_driver.hpp"

namespace phalanx::testing {

// The card that a case is to use.
struct CardUnderTest {
  DriverOptions options;
  bool emulated = true;
  std::string run_directory;       // of this case: its processes' common folder
  uint64_t soak_operations = 0;    // how much soak() does
  uint64_t stream_operations = 0;  // and differential_random(), by all streams together
};

struct CardCase {
  const char* name;
  absl::Status (*run)(const CardUnderTest& card);
  bool needs_emulation;  // a fault that nobody can inject into a real card
  // XRT ends the process when the card's process dies: that counts as noticed, for the gateway sees it (docs/card.md).
  bool may_be_ended;
  int processes = 1;  // one after the other, in the same run directory
};
absl::Span<const CardCase> card_cases();

// Known answers of session_engine and state_delta; sensors.
absl::Status self_test(const CardUnderTest& card);
// esp_crypto on all its units against the CPU's engine (intel-ipsec-mb), which is an independent one.
absl::Status esp(const CardUnderTest& card);
// The host's changes of a table that no kernel has run on yet: OpenCL knows of a buffer's card side only from then on.
absl::Status untouched(const CardUnderTest& card);
// One long random stream against the CPU engine, in batches of up to 600 operations.
absl::Status soak(const CardUnderTest& card);
// The cases of tests/differential, which the natively compiled kernels have passed, on the card: the random streams,
// each with a table of its own, and everything adversarial.
absl::Status differential_random(const CardUnderTest& card);
absl::Status differential_adversarial(const CardUnderTest& card);
// A table of which 90 % is filled: every session is there.
absl::Status fill(const CardUnderTest& card);
// Sessions out, bitstream loaded again, sessions in: every session is there. A card is loaded by a new process, as the
// gateway does it (XRT aborts when one process opens a card twice): the first one moves the sessions out, the second
// in.
absl::Status reprogram(const CardUnderTest& card);
absl::Status hang(const CardUnderTest& card);
absl::Status crash(const CardUnderTest& card);
absl::Status dma_error(const CardUnderTest& card);
absl::Status push_lost(const CardUnderTest& card);
absl::Status flip(const CardUnderTest& card);

}  // namespace phalanx::testing

#endif
