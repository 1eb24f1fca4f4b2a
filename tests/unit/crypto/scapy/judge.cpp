// The ESP engines as a program: reads jobs, one a line, and answers each by a line.
//   ENGINE DIRECTION SPI KEY SALT ESN SEQUENCE INPUT -> STATUS SEQUENCE OUTPUT
// ENGINE: cpu or kernel. DIRECTION: 1 seals, 2 opens. SEQUENCE: the SA's before the job. KEY, SALT, INPUT, OUTPUT: hex;
// no output: -.
#include <iostream>
#include <sstream>

#include "tests/unit/crypto/esp_harness.hpp"

namespace phalanx {
namespace {

std::string to_hex(const Bytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex.empty() ? "-" : hex;
}

bool answer(const std::string& line, const std::vector<std::unique_ptr<EspEngine>>& engines) {
  std::istringstream words(line);
  std::string engine, key_hex, salt_hex, input_hex;
  unsigned direction = 0;
  EspSaConfig config;
  words >> engine >> direction >> config.spi >> key_hex >> salt_hex >> config.esn >> config.sequence >> input_hex;
  if (!words) return false;
  const Bytes key = from_hex(key_hex), salt = from_hex(salt_hex);
  config.direction = static_cast<uint8_t>(direction);
  config.key = key;
  std::copy_n(salt.begin(), 4, config.salt.begin());
  config.sequence_limit = config.esn ? UINT64_MAX : UINT32_MAX;
  EspEngine& chosen = *engines[engine == "cpu" ? 0 : 1];
  const auto sa = make_sa(config);
  if (!sa.ok() || !chosen.install(0, *sa).ok()) return false;
  const Outcome outcome = run_one(chosen, config.direction, 0, from_hex(input_hex));
  std::cout << static_cast<int>(outcome.result.status) << ' ' << outcome.result.sequence << ' '
            << to_hex(outcome.output) << std::endl;
  return true;
}

}  // namespace
}  // namespace phalanx

int main() {
  const auto engines = phalanx::both_engines(1);
  for (std::string line; std::getline(std::cin, line);) {
    if (!phalanx::answer(line, engines)) return 1;
  }
  return 0;
}
