#include "drivers/offload/journal.hpp"

#include <algorithm>
#include <map>

#include "hls/nat.hpp"

namespace phalanx {

using abi::Opcode;

void Journal::note(const abi::Operation& operation, const abi::Record* record, const abi::Completion& completion,
                   uint64_t generation) {
  if (completion.changed == 0 && (entries_.empty() || !slots_[completion.slot % kBits])) return;
  if (completion.result != abi::Result::kDone) return;
  slots_.set(completion.slot % kBits);
  entries_.push_back({operation, record != nullptr ? *record : abi::Record{}, generation, completion.slot});
}

void Journal::forget(const abi::Record& record) {
  const hls::FlowKey& key = record.session.key;
  const hls::FlowKey translated = hls::translated_key(record.session, record.wide).key;
  const uint64_t generation = record.session.order >> hls::kVersionBits;
  std::map<uint32_t, uint64_t> living;  // slot -> generation of the session that has it, from its INSERT here
  const auto superseded = [&](const Entry& entry) {
    if (entry.operation.opcode == Opcode::kInsert) {
      living[entry.slot] = entry.generation;
      return hls::same_key(entry.record.session.key, key) && entry.generation <= generation;
    }
    const auto born = living.find(entry.slot);
    const hls::FlowKey& packet = entry.operation.packet.key;
    return (hls::same_key(packet, key) || hls::same_key(packet, translated)) &&
           (born == living.end() || born->second <= generation);
  };
  // One pass in order, by hand: what std::remove_if does with a predicate that remembers is not said.
  size_t kept = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (superseded(entries_[i])) continue;
    if (kept != i) entries_[kept] = entries_[i];
    ++kept;
  }
  entries_.resize(kept);
  if (entries_.empty()) slots_.reset();
}

void Journal::clear() {
  if (entries_.empty()) return;
  entries_.clear();
  slots_.reset();
}

}  // namespace phalanx
