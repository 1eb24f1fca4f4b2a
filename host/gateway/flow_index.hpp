// Which packet of a round opens a flow, by the flow's key.
#ifndef PHALANX_HOST_GATEWAY_FLOW_INDEX_HPP
#define PHALANX_HOST_GATEWAY_FLOW_INDEX_HPP

#include <array>
#include <cassert>
#include <cstdint>

#include "hls/flow_key.hpp"
#include "hls/hash.hpp"
#include "host/gateway/burst.hpp"

namespace phalanx::gateway {

// Keys are the caller's and stay where they are until clear(). At most kRoundMax of them; half of the places stay free,
// so a search ends. Hashed with a secret: who sends the packets does not choose where they meet.
class FlowIndex {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  explicit FlowIndex(const uint64_t seed[2]) : seed_{seed[0], seed[1]} {}

  // The value put for `key`, kNone if there is none.
  uint32_t find(const hls::FlowKey& key) const {
    const Place& place = places_[place_of(key)];
    return place.round == round_ ? place.value : kNone;
  }
  // Replaces what was there.
  void put(const hls::FlowKey& key, uint32_t value) {
    Place& place = places_[place_of(key)];
    if (place.round != round_) {
      assert(used_ < kRoundMax);
      ++used_;
    }
    place = {&key, value, round_};
  }
  void clear() {
    used_ = 0;
    ++round_;
  }

 private:
  static constexpr size_t kPlaces = 2 * kRoundMax;
  static_assert((kPlaces & (kPlaces - 1)) == 0);
  struct Place {
    const hls::FlowKey* key = nullptr;
    uint32_t value = kNone;
    uint64_t round = 0;  // in use if it is the present one
  };

  // Where the key is, or would be put.
  size_t place_of(const hls::FlowKey& key) const {
    size_t place = hls::hash_key(key, seed_[0], seed_[1]) & (kPlaces - 1);
    while (places_[place].round == round_ && !hls::same_key(*places_[place].key, key)) place = (place + 1) % kPlaces;
    return place;
  }

  uint64_t seed_[2];
  uint64_t round_ = 1;
  size_t used_ = 0;
  std::array<Place, kPlaces> places_;
};

}  // namespace phalanx::gateway

#endif
