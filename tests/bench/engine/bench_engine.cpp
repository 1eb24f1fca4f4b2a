// The session engine against DPDK's rte_hash and absl::flat_hash_map: bulk lookup, insert, the whole packet operation,
// memory.
//
// One process, one pinned core, rounds in which every table has its turn, medians of the rounds' ratios: what else the
// machine does hits all alike. The peers are at their best: rte_hash_crc, tables half full. rte_hash is measured twice:
// "bare" with 16-byte IPv4 keys, where the engine has 40-byte ones for both families, and a value that points at
// nothing; "sessions" at the engine's work, with 40-byte keys and the first line of a 128-byte record read.
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/bench/engine/contenders.hpp"
#include "tests/bench/engine/huge_pages.hpp"
#include "tests/bench/engine/report.hpp"

namespace phalanx::bench {
namespace {

constexpr double kLookupGoal = 1.5;
constexpr double kInsertGoal = 1.5;
constexpr double kPacketGoal = 0.7;
constexpr double kBytesGoal = 150;
constexpr double kRecordBytes = sizeof(hls::Session);
// Reserved pages a session: the engine's 150 bytes, both rte_hash's 60 and 76, the records' 128, and a reserve for
// rounding and for what else runs here.
constexpr uint64_t kReservedBytes = 480;

struct Options {
  std::vector<uint32_t> sizes = {1u << 20, 4u << 20, 16u << 20};
  int rounds = 25;
  uint64_t lookups = 512 * kChunk;  // a round of one table
  int core = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)) - 1;
  std::string report;
};

struct Tables {
  std::unique_ptr<EngineContender> engine;
  std::unique_ptr<RtePeer> rte;
  std::unique_ptr<RteSessions> rte_sessions;
  std::unique_ptr<AbslPeer> absl;
  double rte_bytes = 0;
};

// A different random order for each caller: xorshift over the flows that exist.
Sequence random_flows(uint32_t sessions, uint64_t seed) {
  return [sessions, state = seed * 0x9e3779b97f4a7c15u + 1](uint64_t) mutable {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<uint32_t>((state >> 32) * sessions >> 32);
  };
}

bool create(uint32_t sessions, Tables& tables) {
  tables.engine = EngineContender::create(sessions);
  const uint64_t before = dpdk_bytes();
  tables.rte = RtePeer::create("rte_bare", rte_entries(sessions), sizeof(Key4));
  tables.rte_bytes = static_cast<double>(dpdk_bytes() - before);
  tables.rte_sessions = RteSessions::create(sessions);
  tables.absl = std::make_unique<AbslPeer>(sessions);
  if (tables.engine != nullptr && tables.rte != nullptr && tables.rte_sessions != nullptr) return true;
  std::fprintf(stderr, "no memory for %u sessions\n", sessions);
  return false;
}

std::string label(const char* what, uint32_t sessions) {
  return std::string(what) + "_" + std::to_string(sessions >> 20) + "M";
}

void measure_inserts(const Options& options, uint32_t sessions, Tables& t, std::vector<Figure>& figures) {
  const Sequence in_order = [](uint64_t i) { return static_cast<uint32_t>(i); };
  std::vector<double> ours, theirs;
  const int rounds = sessions > (4u << 20) ? std::min(options.rounds, 3) : std::min(options.rounds, 7);
  for (int round = 0; round < rounds; ++round) {
    t.engine->clear();
    t.rte->reset();
    ours.push_back(t.engine->insert(in_order, sessions));
    theirs.push_back(insert(*t.rte, in_order, sessions));
  }
  for (uint32_t i = 0; i < sessions; ++i) {
    t.absl->insert(flow(i), reinterpret_cast<void*>(uint64_t{i} + 1));
    if (!t.rte_sessions->insert(flow(i), i)) ours.clear();  // shows as a wrong result
  }
  figures.push_back(figure(label("insert", sessions), "M/s", ours, "rte_hash_add_key_data", theirs, kInsertGoal));
}

void measure_lookups(const Options& options, uint32_t sessions, Tables& t, std::vector<Figure>& figures) {
  const auto rte = [&](const Key4* const* k, uint32_t n, void** v) {
    return t.rte->lookup(reinterpret_cast<const void* const*>(k), n, v);
  };
  const auto absl_bulk = [&](const Key4* const* k, uint32_t n, void** v) { return t.absl->lookup(k, n, v); };
  const auto absl = [&](const Key4* const* k, uint32_t n, void** v) { return t.absl->find(k, n, v); };
  std::vector<double> engine_find, engine_packets, rte_find, rte_sessions_find, absl_bulk_find, absl_find;
  for (int round = 0; round < options.rounds; ++round) {
    uint64_t seed = static_cast<uint64_t>(round) * 8;
    const auto flows = [&] { return random_flows(sessions, ++seed); };
    engine_find.push_back(t.engine->find(flows(), options.lookups));
    rte_find.push_back(find(rte, flows(), options.lookups));
    rte_sessions_find.push_back(t.rte_sessions->find(flows(), options.lookups));
    engine_packets.push_back(t.engine->packets(flows(), options.lookups));
    absl_bulk_find.push_back(find(absl_bulk, flows(), options.lookups));
    absl_find.push_back(find(absl, flows(), options.lookups));
  }
  figures.push_back(figure(label("lookup", sessions), "M/s", engine_find, "rte_hash bare", rte_find, kLookupGoal));
  figures.push_back(
      figure(label("lookup", sessions), "M/s", engine_find, "rte_hash sessions", rte_sessions_find, kLookupGoal));
  figures.push_back(figure(label("lookup", sessions), "M/s", engine_find, "flat_hash_map", absl_find, kLookupGoal));
  figures.push_back(
      figure(label("lookup", sessions), "M/s", engine_find, "flat_hash_map prefetched", absl_bulk_find, 1.0));
  figures.push_back(figure(label("packet", sessions), "M/s", engine_packets, "rte_hash bare", rte_find, kPacketGoal));
}

void measure_memory(uint32_t sessions, const Tables& t, std::vector<Figure>& figures) {
  const double ours = static_cast<double>(t.engine->memory_bytes()) / sessions;
  const double theirs = t.rte_bytes / sessions + kRecordBytes;
  Figure f = figure(label("memory", sessions), "B/session", {ours}, "rte_hash + 128 B record", {theirs}, kBytesGoal);
  f.at_most = true;
  figures.push_back(f);
}

bool measure(const Options& options, uint32_t sessions, std::vector<Figure>& figures) {
  Tables tables;
  if (!create(sessions, tables)) return false;
  const size_t before = figures.size();
  measure_memory(sessions, tables, figures);
  measure_inserts(options, sessions, tables, figures);
  if (!tables.engine->establish(sessions)) return false;
  measure_lookups(options, sessions, tables, figures);
  bool right = true;
  for (size_t i = before; i < figures.size(); ++i) {
    std::printf("%s\n", to_line(figures[i]).c_str());
    right = right && figures[i].ours > 0 && figures[i].theirs > 0;
  }
  std::fflush(stdout);
  if (!right) std::fprintf(stderr, "a table gave wrong results: its figure is 0\n");
  return right;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const bool more = i + 1 < argc;
    if (std::strcmp(argv[i], "--quick") == 0) {
      options.sizes = {1u << 20};
      options.rounds = 11;
    } else if (std::strcmp(argv[i], "--report") == 0 && more) {
      options.report = argv[++i];
    } else if (std::strcmp(argv[i], "--core") == 0 && more) {
      options.core = std::stoi(argv[++i]);
    } else if (std::strcmp(argv[i], "--millions") == 0 && more) {
      options.sizes = {static_cast<uint32_t>(std::stoul(argv[++i])) << 20};
    } else {
      std::fprintf(stderr, "usage: bench_engine [--quick] [--millions N] [--core N] [--report FILE]\n");
      return false;
    }
  }
  return true;
}

bool pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(core), &set);
  return sched_setaffinity(0, sizeof(set), &set) == 0;
}

int run(const Options& options) {
  const HugePages pages(kReservedBytes * options.sizes.back());
  if (!start_dpdk()) {
    std::fprintf(stderr, "DPDK didn't start (%llu MB of huge pages reserved; needs root)\n",
                 static_cast<unsigned long long>(pages.reserved_bytes() >> 20));
    return 1;
  }
  if (!pin(options.core)) return 1;  // after DPDK, which pins its own way
  std::vector<Figure> figures;
  for (const uint32_t sessions : options.sizes) {
    if (!measure(options, sessions, figures)) return 1;
  }
  if (!options.report.empty()) {
    std::ofstream file(options.report);
    file << to_json(figures);
    if (!file.flush()) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace phalanx::bench

int main(int argc, char** argv) {
  phalanx::bench::Options options;
  if (!phalanx::bench::parse(argc, argv, options)) return 2;
  return phalanx::bench::run(options);
}
