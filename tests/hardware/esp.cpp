#include "drivers/card_driver/card_esp_engine.hpp"
#include "drivers/cpu/esp/esp_engine.hpp"
#include "tests/hardware/card_case.hpp"
#include "tests/hardware/driver_use.hpp"
#include "tests/hardware/esp_pair.hpp"

namespace phalanx::testing {

absl::Status esp(const CardUnderTest& card) {
  auto device = open_card(card.options);
  if (!device.ok()) return device.status();
  print_identity((*device)->identity());
  auto engine = card_driver::CardEspEngine::create(*device, {.sa_max = 64});
  if (!engine.ok()) return engine.status();
  auto cpu = make_cpu_esp_engine({.sa_max = 64});
  if (!cpu.ok()) return cpu.status();
  EspPair pair(**cpu, **engine, 7);
  PHALANX_RETURN_IF_ERROR(pair.install());
  EspTally tally = {};
  for (const size_t jobs : {1, 3, 40, 255, 257, 400}) PHALANX_RETURN_IF_ERROR(pair.run(jobs, tally));
  PHALANX_RETURN_IF_ERROR(pair.compare_sas());
  for (const uint64_t met : tally) PHALANX_RETURN_IF_ERROR(expect(met != 0, "every status of ESP was met"));
  std::printf("esp: 956 packets equal to the CPU's on %u compute units, %llu of them done\n",
              (*device)->compute_units(card_driver::Kernel::esp_crypto), static_cast<unsigned long long>(tally[0]));
  return absl::OkStatus();
}

}  // namespace phalanx::testing
