// The index at its limits: keys chosen by their hash, full buckets, stash and table.
#include <vector>

#include "hls/hash.hpp"
#include "tests/differential/cases/cases.hpp"

namespace phalanx::testing {
namespace {

using abi::Result;

uint64_t hash_of(const hls::PacketMeta& packet, const EngineConfig& config) {
  return hls::hash_key(packet.key, config.hash_seed[0], config.hash_seed[1]);
}

// Flows that have the hash's low 16 bits, the tag, in common.
std::vector<hls::PacketMeta> same_tag(const EngineConfig& config, size_t count) {
  std::map<uint16_t, std::vector<hls::PacketMeta>> by_tag;
  for (uint32_t i = 0; i < 1'000'000; ++i) {
    auto& found = by_tag[static_cast<uint16_t>(hash_of(flow(i), config))];
    found.push_back(flow(i));
    if (found.size() == count) return found;
  }
  return {};
}

// Operations on an engine alone, where the CPU engine's index has room left and the kernels' has not; each one's result
// must be `want`.
Difference each_gives(Accelerator& engine, const Operations& given, Result want, uint64_t first_slot = ~uint64_t{0}) {
  std::vector<abi::Completion> completions(given.operations.size());
  Batch batch;
  batch.operations = given.operations;
  batch.records = given.records;
  batch.completions = absl::MakeSpan(completions);
  if (const auto status = engine.submit(batch); !status.ok()) return status.ToString();
  for (uint64_t tag = 0; engine.poll({&tag, 1}) == 0;) {
    if (const auto status = engine.health(); !status.ok()) return status.ToString();
  }
  for (size_t i = 0; i < completions.size(); ++i) {
    const bool slot_wrong = first_slot != ~uint64_t{0} && completions[i].slot != first_slot + i;
    if (completions[i].result == want && !slot_wrong) continue;
    return absl::StrCat("opcode ", static_cast<int>(given.operations[i].opcode), " number ", i, ": result ",
                        static_cast<int>(completions[i].result), ", slot ", completions[i].slot, ", not ",
                        static_cast<int>(want));
  }
  return std::nullopt;
}

}  // namespace

Difference every_key_of_a_tag_is_compared_whole(Judge& judge) {
  for (uint64_t seed = 0; seed < judge.seeds(4); ++seed) {
    const EngineConfig config = pair_config(14);
    // One pair of buckets for all, so a lookup has 12 candidates.
    JudgedPair pair(judge, config, stalls(seed, 1));
    PHALANX_SAME(pair.problem());
    const auto flows = same_tag(config, 13);
    PHALANX_CASE_NEEDS(flows.size() == 13);
    Operations given;
    for (size_t i = 0; i < 12; ++i) given.insert(record_of(flows[i]), flows[i]);
    for (int round = 0; round < 20; ++round) {
      for (const auto& f : flows) given.lookup(f).lookup(answer_of(f));
    }
    given.remove(flows[3]).lookup(flows[3]).lookup(flows[11]).insert(record_of(flows[12]), flows[12]).lookup(flows[12]);
    PHALANX_SAME(pair->run(given, 1));
    PHALANX_SAME(pair.end(2));
  }
  return std::nullopt;
}

// Two buckets full and a stash full: 32 sessions whose keys all go to one pair of buckets.
Difference the_stash_takes_and_gives_back(Judge& judge) {
  JudgedPair pair(judge, pair_config(64), stalls(1, 1));
  PHALANX_SAME(pair.problem());
  Operations fill, look;
  for (uint32_t i = 0; i < 32; ++i) fill.insert(record_of(flow(i)), flow(i));
  for (uint32_t i = 0; i < 32; ++i) look.lookup(flow(i)).lookup(answer_of(flow(i)));
  PHALANX_SAME(pair->run(fill, 1));
  PHALANX_CASE_NEEDS(pair->judged().counters().stash == 16);
  PHALANX_SAME(pair->run(look, 2));
  // Out of the buckets, out of the stash; the stash moves up.
  for (uint32_t i = 0; i < 32; i += 3) {
    PHALANX_SAME(pair->run(Operations().remove(flow(i)), 3));
    PHALANX_SAME(pair->run(look, 4));
  }
  PHALANX_CASE_NEEDS(pair->judged().counters().stash == 5);
  for (uint32_t i = 0; i < 32; i += 3) fill.insert(record_of(flow(i)), flow(i));
  PHALANX_SAME(pair->run(fill, 5));
  PHALANX_SAME(pair->run(look, 6));
  return pair.end(7);
}

// It refuses what finds no place, and changes nothing.
Difference a_full_index_refuses(Judge& judge) {
  auto made = judge.make(pair_config(64), stalls(1, 1));
  if (!made.ok()) return made.status().ToString();
  Accelerator& engine = **made;
  Operations fill, kept;
  for (uint32_t i = 0; i < 32; ++i) fill.insert(record_of(flow(i)), flow(i));
  PHALANX_SAME(each_gives(engine, fill, Result::kDone, 0));
  const hls::Endpoint hide = {0, 0xcb007101u, 4000};
  for (const abi::Record& record : {record_of(flow(40)), record_of(flow(40), &hide)}) {
    PHALANX_SAME(each_gives(engine, Operations().insert(record, flow(40)), Result::kFull));
    abi::Record replica = record;
    replica.session.state = hls::kStateUdpNew;
    replica.session.order = uint64_t{90} << hls::kVersionBits;
    PHALANX_SAME(each_gives(engine, Operations().apply(replica), Result::kFull));
  }
  // Room for one of two entries is not enough, and the one is taken back.
  PHALANX_SAME(each_gives(engine, Operations().remove(flow(7)), Result::kDone));
  PHALANX_SAME(each_gives(engine, Operations().insert(record_of(flow(40), &hide), flow(40)), Result::kFull));
  PHALANX_SAME(each_gives(engine, Operations().lookup(flow(40)), Result::kMiss));
  // A refused one has taken no slot: the next gets the one after the last.
  PHALANX_SAME(each_gives(engine, Operations().insert(record_of(flow(41)), flow(41)), Result::kDone, 32));
  PHALANX_CASE_NEEDS(engine.counters().refused_full == 5);
  for (uint32_t i = 0; i < 32; ++i) {
    if (i != 7) kept.lookup(flow(i));
  }
  PHALANX_SAME(each_gives(engine, kept, Result::kDone));
  PHALANX_SAME(each_gives(engine, Operations().lookup(flow(7)), Result::kMiss));
  return judge.damage(engine);
}

// Slots come back when the log is read.
Difference a_full_table_refuses(Judge& judge) {
  for (uint64_t seed = 0; seed < judge.seeds(3); ++seed) {
    JudgedPair pair(judge, pair_config(50), stalls(seed));
    PHALANX_SAME(pair.problem());
    uint32_t now_ms = 0;
    for (uint32_t round = 0; round < 20; ++round) {
      Operations given;
      for (uint32_t i = 0; i < 70; ++i) given.insert(record_of(flow(100 * round + i)), flow(100 * round + i));
      given.extract(10 + round).age(0, ~uint64_t{0}).insert(record_of(flow(7)), flow(7)).extract(30);
      for (uint32_t i = 0; i < 70; i += 2) given.remove(flow(100 * round + i));
      PHALANX_SAME(pair->run(given, now_ms += 20'000, 200));
    }
    PHALANX_CASE_NEEDS(pair->reference().counters().refused_full > 100);
    PHALANX_CASE_NEEDS(pair->reference().counters().aged > 100);
    PHALANX_SAME(pair.end(now_ms));
  }
  return std::nullopt;
}

}  // namespace phalanx::testing
