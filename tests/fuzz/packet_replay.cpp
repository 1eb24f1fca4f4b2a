// Runs a fuzz target without a fuzzer: the corpus of a seed, and mutations of it. The same numbers give the same
// inputs.
//
// usage: packet_replay [SEED [INPUTS]]   or   packet_replay FILE...   (inputs that a fuzzer has found)
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "host/packet/checksum.hpp"
#include "tests/fuzz/packet_corpus.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace phalanx::test {
namespace {

constexpr uint8_t kInteresting[] = {0,    1,    4,    5,    6,    7,  8,  15, 0x3f, 0x40, 0x45,
                                    0x60, 0x7f, 0x80, 0xfe, 0xff, 41, 43, 44, 51,   58,   60};

// An IPv4 header whose checksum is wrong ends parsing at once, so most mutants get a right one.
void repair_ipv4(std::vector<uint8_t>& b) {
  constexpr size_t kIp = sizeof(VirtioNetHeader) + kEthernetBytes;
  if (b.size() < kIp + 20 || b[kIp] >> 4 != 4) return;
  const size_t header = static_cast<size_t>(b[kIp] & 15) * 4;
  if (header < 20 || b.size() < kIp + header) return;
  store_raw<uint16_t>(&b[kIp + 10], 0);
  store_raw(&b[kIp + 10], checksum(&b[kIp], header));
}

void mutate(Random& random, std::vector<uint8_t>& b) {
  const uint32_t edits = 1 + below(random, 4);
  for (uint32_t i = 0; i < edits && !b.empty(); ++i) {
    const uint32_t at = below(random, static_cast<uint32_t>(b.size()));
    switch (below(random, 6)) {
      case 0:
        b[at] = static_cast<uint8_t>(b[at] ^ (1u << below(random, 8)));
        break;
      case 1:
        b[at] = kInteresting[below(random, sizeof(kInteresting))];
        break;
      case 2:
        b[at] = static_cast<uint8_t>(random());
        break;
      case 3:
        b.resize(at);
        break;
      case 4:
        b.insert(b.begin() + at, 1 + below(random, 16), static_cast<uint8_t>(random()));
        break;
      default:
        b.erase(b.begin() + at,
                b.begin() + at + below(random, std::min<uint32_t>(8, static_cast<uint32_t>(b.size()) - at)));
        break;
    }
  }
  if (below(random, 8) != 0) repair_ipv4(b);
}

void run_seed(uint64_t seed, uint64_t inputs) {
  Random random(seed);
  for (uint64_t i = 0; i < inputs; ++i) {
    std::vector<uint8_t> input = random_frame(random, random_shape(random));
    if (i % 16 != 0) mutate(random, input);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("seed %llu: %llu inputs\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(inputs));
}

bool run_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path);
    return false;
  }
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return true;
}

}  // namespace
}  // namespace phalanx::test

int main(int argc, char** argv) {
  if (argc > 1 && std::isdigit(static_cast<unsigned char>(argv[1][0])) == 0) {
    for (int i = 1; i < argc; ++i) {
      if (!phalanx::test::run_file(argv[i])) return 1;
    }
    return 0;
  }
  const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const uint64_t inputs = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 50000;
  phalanx::test::run_seed(seed, inputs);
  return 0;
}
