// A session table in the card's layout, exactly as large as it says, and runs of the state delta kernel on it.
#ifndef PHALANX_TESTS_UNIT_STATE_DELTA_CARD_MEMORY_HPP
#define PHALANX_TESTS_UNIT_STATE_DELTA_CARD_MEMORY_HPP

#include <cstdint>
#include <cstring>
#include <vector>

#include "hls/native/dataflow.hpp"
#include "kernels/state_delta/state_delta.hpp"

namespace phalanx::test {

struct Answer {
  abi::DeltaResult result = {};
  std::vector<uint8_t> bytes;  // of output used
  std::vector<abi::Record> records() const {
    std::vector<abi::Record> all(bytes.size() / sizeof(abi::Record));
    if (!all.empty()) std::memcpy(all.data(), bytes.data(), all.size() * sizeof(abi::Record));
    return all;
  }
  uint64_t cycles = 0;
};

struct Call {
  uint32_t mode = abi::kDeltaExtract;
  uint32_t format = abi::kDeltaRecords;
  uint64_t first = 0;
  uint64_t count = UINT64_MAX;
  uint32_t output_lines = 1 << 14;
  uint32_t now_ms = 0;
  uint64_t base_generation = 0;
};

class CardMemory {
 public:
  explicit CardMemory(uint64_t slots)
      : a(slots), b(slots), wide(slots), log(slots), free_slot(slots), free_wide(slots) {
    state.abi_version = abi::kAbiVersion;
    state.slots = slots;
    state.buckets = 1;
  }

  void put(uint32_t slot, const abi::Record& record) {
    hls::Session s = record.session;
    if ((s.flags & hls::kNatWide) != 0) s.nat_source = slot;
    std::memcpy(&a[slot], &s, 64);
    std::memcpy(&b[slot], reinterpret_cast<const char*>(&s) + 64, 64);
    wide[slot] = record.wide;
  }
  hls::Session session(uint32_t slot) const {
    hls::Session s;
    std::memcpy(static_cast<void*>(&s), &a[slot], 64);
    std::memcpy(reinterpret_cast<char*>(&s) + 64, &b[slot], 64);
    return s;
  }
  // As session_engine does: the mark, and if it wasn't there a place in the log.
  void log_change(uint32_t slot) {
    hls::Session s = session(slot);
    if ((s.flags & hls::kDirty) != 0) return;
    s.flags |= hls::kDirty;
    std::memcpy(&a[slot], &s, 64);
    log[(state.log_head + state.logged++) % state.slots] = slot;
  }

  Answer run(const Call& call) {
    Answer answer;
    constexpr uint64_t kUnwritten = 0xeeeeeeeeeeeeeeee;
    const abi::Line unwritten = {
        {kUnwritten, kUnwritten, kUnwritten, kUnwritten, kUnwritten, kUnwritten, kUnwritten, kUnwritten}};
    std::vector<abi::Line> lines(sizeof(state) / 64), output(call.output_lines, unwritten), result(1);
    std::memcpy(lines.data(), &state, sizeof(state));
    hls::native::reset_cycles();
    ::state_delta(lines.data(), a.data(), b.data(), wide.data(), log.data(), free_slot.data(), free_wide.data(),
                  output.data(), result.data(), call.mode, call.format, call.first, call.count, call.output_lines,
                  call.now_ms, call.base_generation);
    answer.cycles = hls::native::cycles();
    std::memcpy(&state, lines.data(), sizeof(state));
    std::memcpy(&answer.result, result.data(), sizeof(answer.result));
    const auto* begin = reinterpret_cast<const uint8_t*>(output.data());
    if (answer.result.bytes <= output.size() * 64) answer.bytes.assign(begin, begin + answer.result.bytes);
    rest_is_zero = true;
    for (uint64_t i = answer.result.bytes; i % 64 != 0; ++i) rest_is_zero &= begin[i] == 0;
    return answer;
  }

  abi::TableState state = {};
  std::vector<abi::Line> a, b;
  std::vector<hls::WideNat> wide;
  std::vector<uint32_t> log, free_slot, free_wide;
  bool rest_is_zero = true;  // of the last line of the last run
};

inline bool same(const abi::Record& x, const abi::Record& y) { return std::memcmp(&x, &y, sizeof(x)) == 0; }

}  // namespace phalanx::test

#endif
