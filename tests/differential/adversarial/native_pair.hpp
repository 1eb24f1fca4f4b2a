// The CPU engine and the native kernels as a pair, for tests that look into the kernels' table.
#ifndef PHALANX_TESTS_DIFFERENTIAL_ADVERSARIAL_NATIVE_PAIR_HPP
#define PHALANX_TESTS_DIFFERENTIAL_ADVERSARIAL_NATIVE_PAIR_HPP

#include <memory>
#include <utility>

#include "drivers/cpu/cpu_engine.hpp"
#include "drivers/native/native_engine.hpp"
#include "tests/differential/world.hpp"

namespace phalanx::testing {

inline EngineConfig pair_config(uint64_t sessions_max) {
  EngineConfig config;
  config.sessions_max = sessions_max;
  config.half_open_max = sessions_max;
  config.hash_seed[0] = 3;
  config.hash_seed[1] = 5;
  return config;
}

inline NativeEngine::Options stalls(uint64_t seed, bool on = true) {
  NativeEngine::Options options;
  options.settings.seed = seed;
  options.settings.stalls = on;
  return options;
}

struct NativePair {
  NativePair(const EngineConfig& config, const NativeEngine::Options& options)
      : NativePair(config, *NativeEngine::create(config, options)) {}

  NativeEngine* native;
  EnginePair pair;

 private:
  NativePair(const EngineConfig& config, std::unique_ptr<NativeEngine> engine)
      : native(engine.get()), pair(*CpuEngine::create(config), std::move(engine)) {}
};

// Flow `i` of a client each, UDP or TCP.
inline hls::PacketMeta flow(uint32_t i, uint8_t protocol = hls::kProtocolUdp) {
  return packet_between({0, 0x0a000000u + i, 1000}, {0, 0xc0000201u, 80}, protocol, 4);
}
// The answer's way.
inline hls::PacketMeta answer_of(hls::PacketMeta packet) {
  packet.from_b ^= 1;
  return packet;
}

// As EXPECT_EQ of no difference, naming it.
#define PHALANX_EXPECT_SAME(difference)                                  \
  do {                                                                   \
    const auto phalanx_difference = (difference);                        \
    ASSERT_FALSE(phalanx_difference.has_value()) << *phalanx_difference; \
  } while (false)

}  // namespace phalanx::testing

#endif
