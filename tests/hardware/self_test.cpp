#include "drivers/card_driver/self_test.hpp"

#include "drivers/card_driver/card_esp_engine.hpp"
#include "tests/hardware/card_case.hpp"
#include "tests/hardware/driver_use.hpp"

namespace phalanx::testing {

absl::Status self_test(const CardUnderTest& card) {
  auto device = open_card(card.options);
  if (!device.ok()) return device.status();
  print_identity((*device)->identity());
  auto driver = card_driver::CardDriver::create(*device, config_for(card_driver::kSelfTestSlots));
  if (!driver.ok()) return driver.status();
  PHALANX_RETURN_IF_ERROR(card_driver::test_session_engine(**driver));
  PHALANX_RETURN_IF_ERROR(card_driver::test_state_delta(**driver));
  auto esp = card_driver::CardEspEngine::create(*device, {.sa_max = card_driver::kSelfTestSas});
  if (!esp.ok()) return esp.status();
  PHALANX_RETURN_IF_ERROR(card_driver::test_esp_crypto(**esp));
  for (const auto& sensor : (*driver)->sensors())
    std::printf("sensor %s: %s\n", sensor.name.c_str(), sensor.value.c_str());
  return absl::OkStatus();
}

}  // namespace phalanx::testing
