#include "drivers/card/rings.hpp"

#include <algorithm>

namespace phalanx::card {

static_assert(hls::kStates <= 16, "timeouts fit");

SharedConfig to_shared(const EngineConfig& config) {
  SharedConfig shared{};
  shared.sessions_max = config.sessions_max;
  shared.half_open_max = config.half_open_max;
  shared.hash_seed[0] = config.hash_seed[0];
  shared.hash_seed[1] = config.hash_seed[1];
  shared.tcp_pickup = config.tcp_pickup ? 1 : 0;
  std::copy(std::begin(config.timeouts.ms), std::end(config.timeouts.ms), shared.timeout_ms);
  return shared;
}

EngineConfig from_shared(const SharedConfig& shared) {
  EngineConfig config;
  config.sessions_max = shared.sessions_max;
  config.half_open_max = shared.half_open_max;
  config.hash_seed[0] = shared.hash_seed[0];
  config.hash_seed[1] = shared.hash_seed[1];
  config.tcp_pickup = shared.tcp_pickup != 0;
  std::copy_n(shared.timeout_ms, hls::kStates, config.timeouts.ms);
  return config;
}

SharedCounters to_shared(const EngineCounters& c) {
  return {{c.sessions, c.half_open, c.inserted, c.deleted, c.aged, c.applied, c.stale, c.refused_full,
           c.refused_half_open, c.refused_exists, c.moves, c.stash}};
}

EngineCounters from_shared(const SharedCounters& shared) {
  const uint64_t* v = shared.value;
  EngineCounters c;
  c.sessions = v[0], c.half_open = v[1];
  c.inserted = v[2], c.deleted = v[3], c.aged = v[4], c.applied = v[5], c.stale = v[6];
  c.refused_full = v[7], c.refused_half_open = v[8], c.refused_exists = v[9];
  c.moves = v[10], c.stash = v[11];
  return c;
}

}  // namespace phalanx::card
