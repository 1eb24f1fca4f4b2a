// A card's process that behaves at first, and after its second batch writes garbage of the kind argv[1] names into the
// rings: what a client must stand.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "drivers/card/shared_memory.hpp"
#include "drivers/cpu/cpu_engine.hpp"

namespace {

using phalanx::card::BatchStatus;
using phalanx::card::Descriptor;
using phalanx::card::Shared;

using Spoil = void (*)(Shared&, Descriptor&);
const std::map<std::string, Spoil>& kinds() {
  static const std::map<std::string, Spoil> kinds = {
      {"completed-ahead", [](Shared& s, Descriptor&) { s.header.completed.store(1'000'000); }},
      {"completed-back", [](Shared& s, Descriptor&) { s.header.completed.store(0); }},
      {"sequence", [](Shared&, Descriptor& d) { d.answered += 7; }},
      {"status", [](Shared&, Descriptor& d) { d.status = static_cast<BatchStatus>(77); }},
      {"generation", [](Shared&, Descriptor& d) { d.engine_generation = ~uint64_t{0}; }},
      {"result",
       [](Shared& s, Descriptor& d) { std::memset(static_cast<void*>(s.completions + d.operation_first), 0xff, 64); }},
      {"slot", [](Shared& s, Descriptor& d) { s.completions[d.operation_first].slot = 0xfffffff0; }},
      {"count",
       [](Shared& s, Descriptor& d) { s.completions[d.operation_first + d.operation_count - 1].count = 9999; }},
      {"record", [](Shared& s, Descriptor& d) { s.output[d.output_first].session.state = 200; }},
      {"state", [](Shared& s, Descriptor&) { s.header.state.store(77); }},
      // Answers, says no with nothing left to answer, and then hangs.
      {"refuse-and-hang",
       [](Shared& s, Descriptor& d) {
         s.header.completed.store(d.answered);
         std::strcpy(s.header.text, "found to be broken");
         s.header.state.store(static_cast<uint32_t>(phalanx::card::ServerState::kRefused));
         while (getppid() == static_cast<pid_t>(s.header.gateway_pid)) usleep(1000);
       }},
  };
  return kinds;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || kinds().count(argv[1]) == 0) return 2;
  const Spoil spoil = kinds().at(argv[1]);
  auto memory = phalanx::card::SharedMemory::open(std::atoi(argv[argc - 1]));
  if (!memory.ok()) return 2;
  Shared& shared = *(*memory)->get();
  auto engine = phalanx::CpuEngine::create(phalanx::card::from_shared(shared.header.config));
  if (!engine.ok()) return 2;
  shared.header.slots = (*engine)->slots();
  shared.header.state.store(static_cast<uint32_t>(phalanx::card::ServerState::kReady));
  for (uint64_t done = 0; getppid() == static_cast<pid_t>(shared.header.gateway_pid);) {
    if (shared.header.submitted.load() == done) {
      usleep(50);
      continue;
    }
    Descriptor& d = shared.descriptors[done % phalanx::card::kBatchesMax];
    uint64_t tag = 0;
    if (!(*engine)
             ->submit({.tag = 0,
                       .now_ms = d.now_ms,
                       .operations = {shared.operations + d.operation_first, d.operation_count},
                       .records = {shared.records + d.record_first, d.record_count},
                       .completions = {shared.completions + d.operation_first, d.operation_count},
                       .output = {shared.output + d.output_first, d.output_count}})
             .ok()) {
      return 1;
    }
    (*engine)->poll(absl::MakeSpan(&tag, 1));
    d.engine_generation = (*engine)->generation();
    d.counters = phalanx::card::to_shared((*engine)->counters());
    d.status = BatchStatus::kDone;
    d.answered = ++done;
    if (done > 2) spoil(shared, d);
    if (shared.header.completed.load() < done && std::string(argv[1]) != "completed-back") {
      shared.header.completed.store(done);
    } else if (done <= 2) {
      shared.header.completed.store(done);
    }
  }
  return 0;
}
