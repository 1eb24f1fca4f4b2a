// Known answers for each kernel: what phalanx-card --self-test and the hardware suite run on a card.
#ifndef PHALANX_DRIVERS_CARD_DRIVER_SELF_TEST_HPP
#define PHALANX_DRIVERS_CARD_DRIVER_SELF_TEST_HPP

#include <chrono>

#include "absl/status/status.h"
#include "drivers/accelerator.hpp"
#include "drivers/crypto.hpp"

namespace phalanx::card_driver {

// For all batches of one test together; the emulated card on a busy machine needs a second.
inline constexpr std::chrono::seconds kSelfTestLimit{20};
// The table that the tests want, empty: room for some sessions.
inline constexpr uint64_t kSelfTestSlots = 1024;
inline constexpr uint32_t kSelfTestSas = 64;

// Each is OK, or Internal with what was wrong and what was expected, or the card's own failure. In this order on one
// engine, whose table is empty:
// session_engine: a TCP handshake through source NAT, packet by packet (RFC 9293, section 3.5).
absl::Status test_session_engine(Accelerator& engine);
// state_delta: EXTRACT gives the session that it left, once.
absl::Status test_state_delta(Accelerator& engine);
// esp_crypto, with no SA installed: SEAL gives known packets for AES-GCM of 128 and 256 bits (RFC 4106), OPEN takes
// them back once, and refuses them replayed or with a bit flipped.
absl::Status test_esp_crypto(EspEngine& engine);

}  // namespace phalanx::card_driver

#endif
