#include "drivers/card/card_check.hpp"

#include "absl/strings/str_cat.h"
#include "hls/nat.hpp"

namespace phalanx::card {
namespace {

using abi::Opcode;
using abi::Result;

constexpr uint32_t bit(Result result) { return 1u << static_cast<uint8_t>(result); }

// The results that an operation can have, by opcode; [0] for opcodes that are none.
constexpr uint32_t kResults[] = {
    bit(Result::kInvalid),
    bit(Result::kDone) | bit(Result::kMiss) | bit(Result::kDrop) | bit(Result::kInvalid),  // LOOKUP
    bit(Result::kDone) | bit(Result::kDrop) | bit(Result::kExists) | bit(Result::kFull) | bit(Result::kHalfOpen) |
        bit(Result::kInvalid),                                        // INSERT
    bit(Result::kDone) | bit(Result::kMiss) | bit(Result::kInvalid),  // DELETE
    bit(Result::kDone) | bit(Result::kMiss) | bit(Result::kFull) | bit(Result::kStale) |
        bit(Result::kInvalid),                   // APPLY
    bit(Result::kDone) | bit(Result::kInvalid),  // AGE
    bit(Result::kDone) | bit(Result::kInvalid),  // EXTRACT
    bit(Result::kDone) | bit(Result::kInvalid),  // SCAN
};

// Results beyond `bound` in completion.count.
uint64_t count_bound(const abi::Operation& operation, uint64_t room) {
  switch (operation.opcode) {
    case Opcode::kAge:
      return operation.count;
    case Opcode::kExtract:
    case Opcode::kScan:
      return operation.count < room ? operation.count : room;
    default:
      return 0;
  }
}

}  // namespace

std::optional<std::string> check_completion(const abi::Operation& operation, const abi::Completion& completion,
                                            uint64_t slots, uint64_t room) {
  const auto opcode = static_cast<uint8_t>(operation.opcode);
  const auto result = static_cast<uint8_t>(completion.result);
  const auto reason = static_cast<uint8_t>(completion.reason);
  const uint32_t allowed = kResults[opcode <= static_cast<uint8_t>(Opcode::kScan) ? opcode : 0];
  if (result > 31 || (allowed >> result & 1) == 0) {
    return absl::StrCat("completion.result ", result, " for opcode ", opcode);
  }
  if (reason >= static_cast<uint8_t>(abi::TrackReason::kCount)) return absl::StrCat("completion.reason ", reason);
  if (completion.direction > 1) return absl::StrCat("completion.direction ", completion.direction);
  if (completion.state >= hls::kStates) return absl::StrCat("completion.state ", completion.state);
  if (completion.rewritten > 1) return absl::StrCat("completion.rewritten ", completion.rewritten);
  if (completion.rewrite.source > 1 || completion.rewrite.destination > 1) return std::string("completion.rewrite");
  if (completion.changed > 1) return absl::StrCat("completion.changed ", completion.changed);
  if (completion.slot >= slots) return absl::StrCat("completion.slot ", completion.slot, " of ", slots);
  if (const uint64_t bound = count_bound(operation, room); completion.count > bound) {
    return absl::StrCat("completion.count ", completion.count, ", more than ", bound);
  }
  if (completion.next > slots) return absl::StrCat("completion.next ", completion.next, " of ", slots);
  return std::nullopt;
}

std::optional<std::string> check_record(abi::Opcode opcode, const abi::Record& record) {
  const hls::Session& session = record.session;
  const bool deleted = session.state == hls::kStateDeleted;
  if (session.state == hls::kStateFree || session.state >= hls::kStates || (deleted && opcode == Opcode::kScan)) {
    return absl::StrCat("record.session.state ", session.state);
  }
  const uint8_t family = hls::family(session.key);
  if (family != 4 && family != 6) return absl::StrCat("record.session.key: family ", family);
  const bool wide = (session.flags & hls::kNatWide) != 0;
  if (wide != ((session.flags & hls::kNatMask) != 0 && family == 6)) {
    return absl::StrCat("record.session.flags ", session.flags, ": a long rewrite goes with NAT of IPv6");
  }
  if ((session.flags & hls::kDirty) != 0) return absl::StrCat("record.session.flags ", session.flags, ": dirty");
  return std::nullopt;
}

}  // namespace phalanx::card
