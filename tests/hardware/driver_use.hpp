// Short ways to use a card's driver, for the cases of the suite.
#ifndef PHALANX_TESTS_HARDWARE_DRIVER_USE_HPP
#define PHALANX_TESTS_HARDWARE_DRIVER_USE_HPP

#include <cstdint>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "drivers/card_driver/open_driver.hpp"
#include "tests/differential/engine_pair.hpp"
#include "tests/hardware/card_case.hpp"
#include "tests/hardware/owned_batch.hpp"

namespace phalanx::testing {

#define PHALANX_RETURN_IF_ERROR(expression) \
  if (absl::Status phalanx_status = (expression); !phalanx_status.ok()) return phalanx_status

// Says which card it really is.
inline void print_identity(const card_driver::DeviceIdentity& id) {
  std::printf("device: %s, %s, at %s, %s, bitstream %s\n", id.emulated ? "emulated" : "real", id.name.c_str(),
              id.bdf.c_str(), id.runtime.c_str(), id.uuid.c_str());
  std::fflush(stdout);
}

// Opens the card with a session table.
inline absl::StatusOr<std::unique_ptr<card_driver::CardDriver>> open_under_test(const CardUnderTest& card,
                                                                                const EngineConfig& config) {
  DriverOptions options = card.options;
  options.engine = config;
  auto driver = open_driver(options);
  if (!driver.ok()) return driver.status();
  print_identity((*driver)->identity());
  return driver;
}

inline EngineConfig config_for(uint64_t slots) {
  EngineConfig config;
  config.sessions_max = slots;
  config.half_open_max = slots;
  config.hash_seed[0] = 0x243f6a8885a308d3;
  config.hash_seed[1] = 0x13198a2e03707344;
  return config;
}

// One batch to its end; the card's failure otherwise.
inline absl::Status carry_out(Accelerator& engine, OwnedBatch& batch) {
  PHALANX_RETURN_IF_ERROR(engine.submit(batch.view()));
  for (uint64_t tag = 0;;) {
    if (engine.poll({&tag, 1}) == 1) return absl::OkStatus();
    PHALANX_RETURN_IF_ERROR(engine.health());
    std::this_thread::sleep_for(EnginePair::kNap);
  }
}

inline absl::Status expect(bool fact, absl::string_view what) {
  return fact ? absl::OkStatus() : absl::InternalError(absl::StrCat("not so: ", what));
}

// Session number `i` as its first packet: UDP between two IPv4 endpoints.
inline hls::PacketMeta packet_of(uint32_t i) {
  const hls::DirectedKey k = hls::make_key({0, 0x0a000000u + i / 7, static_cast<uint16_t>(1024 + i % 7)},
                                           {0, 0xc0a80001u, 53}, hls::kProtocolUdp, 4, 0);
  hls::PacketMeta p = {};
  p.key = k.key;
  p.from_b = k.from_b;
  p.kind = hls::kPacketUdp;
  p.payload = 20;
  p.bytes = 48;
  p.segments = 1;
  p.window_scale = hls::kNoWindowScale;
  return p;
}

// INSERT of sessions [first, first + count), or LOOKUP of a packet of each.
inline OwnedBatch sessions_batch(abi::Opcode opcode, uint32_t first, uint32_t count) {
  OwnedBatch batch;
  batch.now_ms = 1000;
  for (uint32_t i = first; i < first + count; ++i) {
    abi::Operation o = {};
    o.opcode = opcode;
    o.packet = packet_of(i);
    if (opcode == abi::Opcode::kInsert) {
      abi::Record r = {};
      r.session.key = o.packet.key;
      r.session.flags = o.packet.from_b;
      r.session.rule = static_cast<uint16_t>(i);
      o.record = static_cast<uint32_t>(batch.records.size());
      batch.records.push_back(r);
    }
    batch.operations.push_back(o);
  }
  return batch;
}

constexpr uint32_t kBatchSessions = 1024;

// Every one of `count` sessions is there, or goes in.
inline absl::Status for_all_sessions(Accelerator& engine, abi::Opcode opcode, uint32_t count) {
  for (uint32_t first = 0; first < count; first += kBatchSessions) {
    OwnedBatch batch = sessions_batch(opcode, first, std::min(kBatchSessions, count - first));
    PHALANX_RETURN_IF_ERROR(carry_out(engine, batch));
    for (size_t i = 0; i < batch.completions.size(); ++i) {
      const abi::Completion& c = batch.completions[i];
      if (c.result == abi::Result::kDone && c.rule == static_cast<uint16_t>(first + i)) continue;
      return absl::InternalError(absl::StrCat("session ", first + i, " of ", count, ": opcode ",
                                              static_cast<int>(opcode), " gave result ", static_cast<int>(c.result),
                                              ", rule ", c.rule));
    }
  }
  return absl::OkStatus();
}

}  // namespace phalanx::testing

#endif
