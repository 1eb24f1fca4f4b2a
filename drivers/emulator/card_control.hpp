// Talks to a running device model: switches faults, flips bits, asks what it has done. Text lines over a unix socket in
// the run directory, so that `socat - UNIX-CONNECT:card.sock` serves as well:
//   fault NAME VALUE      sets a fault of drivers/emulator/faults.hpp             -> ok
//   flip ADDRESS BIT      inverts bit 0..7 of the byte at a device address        -> ok
//   status                one line of name=value pairs (CardStatus)               -> ok runs=3 ...
//   buffers               the buffers that the host has allocated                 -> ok ADDRESS:SIZE ...
// A refused command is answered by `error REASON` and changes nothing.
#ifndef PHALANX_DRIVERS_EMULATOR_CARD_CONTROL_HPP
#define PHALANX_DRIVERS_EMULATOR_CARD_CONTROL_HPP

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "drivers/emulator/faults.hpp"

namespace phalanx::emulator {

// X(name): what the device model counts.
#define PHALANX_CARD_COUNTERS(X)                                              \
  X(loads)             /* xclbins loaded */                                   \
  X(runs)              /* kernel runs started */                              \
  X(runs_done)         /* kernel runs finished */                             \
  X(runs_hung)         /* kernel runs that never finish: by fault `hang` */   \
  X(axi_errors)        /* kernel runs stopped at an address without memory */ \
  X(transfers)         /* transfers asked for */                              \
  X(transfers_refused) /* of them: outside every buffer, or by `dma_error` */ \
  X(requests_refused)  /* malformed or unknown messages of the host */

struct CardStatus {
#define PHALANX_CARD_COUNTER(name) std::uint64_t name = 0;
  PHALANX_CARD_COUNTERS(PHALANX_CARD_COUNTER)
#undef PHALANX_CARD_COUNTER
};

// A line of the control socket is at most this long: `buffers` gives 40 characters for each of 1024 buffers.
inline constexpr std::size_t kControlLineMax = 40 * 1024;

// A connection to the device model of a run directory. Blocking, each call for at most timeout_ms. One thread.
class CardControl {
 public:
  // Waits for the device model (it starts when the host first opens or loads the card).
  static absl::StatusOr<CardControl> connect(const std::string& run_directory, int timeout_ms = 2000);
  CardControl(CardControl&& other) noexcept;
  CardControl& operator=(CardControl&& other) noexcept;
  ~CardControl();

  absl::Status set(Fault fault, std::uint64_t value);
  absl::Status flip(std::uint64_t address, unsigned bit);
  absl::StatusOr<CardStatus> status();
  // Device address and size in bytes of every buffer on the card, by address.
  absl::StatusOr<std::vector<std::pair<std::uint64_t, std::uint64_t>>> buffers();

 private:
  CardControl(int descriptor, int timeout_ms) : descriptor_(descriptor), timeout_ms_(timeout_ms) {}
  absl::StatusOr<std::string> ask(const std::string& line);

  int descriptor_;
  int timeout_ms_;
};

}  // namespace phalanx::emulator

#endif
