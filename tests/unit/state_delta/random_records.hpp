// Session records of every kind from a seed: what tests of the packed form and of the state delta kernel feed.
#ifndef PHALANX_TESTS_UNIT_STATE_DELTA_RANDOM_RECORDS_HPP
#define PHALANX_TESTS_UNIT_STATE_DELTA_RANDOM_RECORDS_HPP

#include <cstdint>

#include "hls/flow_key.hpp"
#include "kernels/abi/operation.hpp"

namespace phalanx::test {

// Few addresses and ports, so that what may refer to an earlier record does; sometimes any bits at all, within what a
// record can be: canonical key, a state, 40 bits of generation.
class RandomRecords {
 public:
  explicit RandomRecords(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull | 1) {}

  uint64_t next() {  // xorshift64*
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dull;
  }
  uint64_t below(uint64_t bound) { return next() % bound; }
  bool one_in(uint64_t n) { return below(n) == 0; }

  abi::Record record() {
    abi::Record r = {};
    hls::Session& s = r.session;
    s.state = static_cast<uint8_t>(1 + below(hls::kStates - 1));
    const bool v6 = one_in(3);
    set_key(s, v6);
    s.order = (one_in(5) ? below(1ull << 40) : 1000 + below(50)) << hls::kVersionBits |
              (one_in(4) ? below(1ull << hls::kVersionBits) : below(20));
    s.flags = static_cast<uint8_t>(one_in(3) ? next() & ~uint64_t{hls::kDirty} : next() & hls::kOriginatorIsB);
    s.flags = static_cast<uint8_t>(v6 ? s.flags : s.flags & ~hls::kNatWide);
    s.rule = static_cast<uint16_t>(one_in(8) ? next() : below(200));
    s.synced = static_cast<uint16_t>(next());
    s.nat_source = one_in(2) ? 0xc6336401 : number32();
    s.nat_destination = one_in(2) ? 0x0a000001 : number32();
    s.nat_source_port = static_cast<uint16_t>(next());
    s.nat_destination_port = static_cast<uint16_t>(next());
    r.wide = {next(), next(), next(), next()};
    if ((s.flags & hls::kNatWide) != 0)
      s.nat_source = 0;
    else
      r.wide = {};
    set_tcp(s);
    s.last_seen = 123456789 - number32() / 2;
    for (int i = 0; i < 2; ++i) {
      s.traffic[i] = next() >> below(64);
      s.packets[i] = number32();
    }
    return r;
  }

 private:
  uint32_t number32() { return static_cast<uint32_t>(next()) >> below(32); }

  void set_key(hls::Session& s, bool v6) {
    constexpr uint8_t kProtocols[] = {6, 17, 1, 58, 47};
    const uint8_t protocol = one_in(16) ? static_cast<uint8_t>(next()) : kProtocols[below(5)];
    const bool ports = !one_in(4);
    hls::Endpoint e[2];
    for (hls::Endpoint& one : e) {
      one.hi = v6 ? 0x20010db800000000ull + below(3) : 0;
      one.lo = v6 ? (one_in(4) ? next() : below(8)) : 0x0a000000 + (one_in(4) ? number32() >> 8 : below(40));
      one.port = static_cast<uint16_t>(!ports ? 0 : one_in(3) ? next() : 440 + below(6));
    }
    if (e[0].hi == e[1].hi && e[0].lo == e[1].lo) e[1].lo ^= 0x100;  // nobody talks to itself
    s.key = hls::make_key(e[0], e[1], protocol, v6 ? 6 : 4, static_cast<uint16_t>(one_in(8) ? next() : 0)).key;
  }

  void set_tcp(hls::Session& s) {
    constexpr uint32_t kWindows[] = {0, 1, 29200, 65535, 64256, 501u << 7, 0xffffu << 14, 0x80000000};
    s.scales = static_cast<uint8_t>(one_in(4) ? next() : 0x77);
    s.tcp_flags = static_cast<uint8_t>(one_in(4) ? next() : 0x99);
    for (hls::TcpSide& side : s.side) {
      side.end = one_in(6) ? 0 : static_cast<uint32_t>(next());
      side.max_window = one_in(4) ? number32() : kWindows[below(8)];
    }
    for (int i = 0; i < 2; ++i) {
      s.side[i].acked = s.side[1 - i].end - (one_in(3) ? number32() : 0);
      s.side[i].max_end = s.side[1 - i].acked + s.side[1 - i].max_window + (one_in(4) ? number32() : 0);
    }
  }

  uint64_t state_;
};

}  // namespace phalanx::test

#endif
