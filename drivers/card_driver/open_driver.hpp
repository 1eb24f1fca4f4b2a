// Opens a card by XRT or OpenCL: what the program phalanx-card, the hardware suite and the differential tests call.
#ifndef PHALANX_DRIVERS_CARD_DRIVER_OPEN_DRIVER_HPP
#define PHALANX_DRIVERS_CARD_DRIVER_OPEN_DRIVER_HPP

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "drivers/accelerator.hpp"
#include "drivers/card_driver/card_driver.hpp"

namespace phalanx {

enum class CardApi : uint8_t { kXrt, kOpenCl };
// "xrt" or "opencl", as phalanx-card's --driver says it; InvalidArgument for anything else.
absl::StatusOr<CardApi> parse_card_api(absl::string_view text);

struct DriverOptions {
  CardApi api = CardApi::kXrt;
  std::string device = "0";  // PCIe address (0000:65:00.1) or index
  std::string xclbin;        // the bitstream's file; its manifest is beside it
  bool allow_unsigned = false;
  std::string trusted_keys;  // file of PEM public keys; empty: none
  EngineConfig engine;       // of the session table
  card_driver::CardLimits limits;
};

// Checks the bitstream and the environment, then loads it. Each refusal has its own message; no exception leaves. XRT
// may still end the process group (docs/card.md), and aborts when a process opens a card a second time: call it once,
// in a process of its own. Several engines (CardDriver, CardEspEngine) may share the card.
absl::StatusOr<std::shared_ptr<card_driver::Device>> open_card(const DriverOptions& options);
// The same, and an empty session table on it.
absl::StatusOr<std::unique_ptr<card_driver::CardDriver>> open_driver(const DriverOptions& options);

}  // namespace phalanx

#endif
