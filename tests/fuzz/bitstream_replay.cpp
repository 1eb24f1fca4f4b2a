// Runs the fuzz target of bitstreams without a fuzzer: the corpus and mutations of it. The same numbers give the same
// inputs.
//
// usage: bitstream_replay [SEED [INPUTS]]   or   bitstream_replay FILE...   (inputs that a fuzzer has found)
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "tests/fuzz/bitstream_corpus.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace phalanx::bitstream::test {
namespace {

using Random = std::mt19937_64;

uint64_t below(Random& random, uint64_t end) { return end == 0 ? 0 : random() % end; }

// Lengths, counts and offsets that break a reader's arithmetic.
constexpr uint64_t kInteresting[] = {
    0,      1,          4,        7,          8,         0x7f,       0xff,       0x7fff,
    0xffff, 0x7fffffff, 1u << 31, 0xffffffff, INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 7};
// What XML, JSON and PEM are made of.
constexpr const char* kTokens[] = {"<",
                                   ">",
                                   "\"",
                                   "</",
                                   "/>",
                                   "<!--",
                                   "-->",
                                   "<![CDATA[",
                                   "]]>",
                                   "<!DOCTYPE a>",
                                   "=",
                                   "{",
                                   "}",
                                   "[",
                                   "]",
                                   ",",
                                   ":",
                                   "\\u0000",
                                   "null",
                                   "1e99",
                                   "-----BEGIN PUBLIC KEY-----\n",
                                   "\n"};

void put_number(Random& random, std::string& bytes, size_t at) {
  uint64_t value = kInteresting[below(random, std::size(kInteresting))];
  if (below(random, 2) == 0) value += bytes.size() - below(random, 64);
  const size_t width = std::min<size_t>(size_t{1} << below(random, 4), bytes.size() - at);
  std::memcpy(bytes.data() + at, &value, width);
}

void mutate(Random& random, std::string& bytes, bool text) {
  const uint64_t edits = 1 + below(random, 4);
  for (uint64_t i = 0; i < edits && !bytes.empty(); ++i) {
    const size_t at = below(random, bytes.size());
    switch (below(random, 7)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(random, 8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(random());
        break;
      case 2:
        if (below(random, 8) == 0) bytes.resize(at);
        break;
      case 3:
        bytes.insert(at, below(random, 16), static_cast<char>(random()));
        break;
      case 4:
        bytes.erase(at, below(random, 32));
        break;
      case 5:
        if (text) bytes.insert(at, kTokens[below(random, std::size(kTokens))]);
        break;
      default:
        put_number(random, bytes, at & ~size_t{3});
        break;
    }
  }
}

// The header and the table are a small part of the file and decide most, so every second edit is there.
std::string random_xclbin(Random& random) {
  std::vector<SectionBytes> sections = corpus_sections();
  if (below(random, 2) == 0) {
    const size_t index = below(random, sections.size());
    mutate(random, sections[index].bytes, sections[index].kind == 2);
  }
  if (below(random, 8) == 0) std::swap(sections[0], sections[below(random, sections.size())]);
  if (below(random, 16) == 0) sections.push_back(sections[below(random, sections.size())]);
  std::string xclbin = corpus_xclbin(sections);
  if (below(random, 2) == 0) return xclbin;
  constexpr size_t kHead = 456 + 5 * 40;
  std::string head = xclbin.substr(0, kHead);
  const uint64_t edits = 1 + below(random, 3);
  for (uint64_t i = 0; i < edits; ++i) put_number(random, head, below(random, kHead / 4) * 4);
  xclbin.replace(0, kHead, head);
  if (below(random, 16) == 0) mutate(random, xclbin, false);
  return xclbin;
}

std::string random_input(Random& random, const std::vector<std::string>& texts) {
  const auto kind = static_cast<uint8_t>(below(random, kInputKinds));
  std::string input;
  if (kind == static_cast<uint8_t>(InputKind::kXclbin)) {
    input = random_xclbin(random);
  } else {
    input = texts[kind];
    if (below(random, 16) != 0) mutate(random, input, true);
  }
  return std::string(1, static_cast<char>(kind)) + input;
}

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

void run_seed(uint64_t seed, uint64_t inputs) {
  Random random(seed);
  const std::vector<std::string> texts = {"", corpus_manifest(), corpus_sections()[1].bytes, corpus_keys()};
  for (uint64_t i = 0; i < inputs; ++i) run(random_input(random, texts));
  std::printf("seed %llu: %llu inputs\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(inputs));
}

bool run_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path);
    return false;
  }
  run(std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()));
  return true;
}

}  // namespace
}  // namespace phalanx::bitstream::test

int main(int argc, char** argv) {
  if (argc > 1 && std::isdigit(static_cast<unsigned char>(argv[1][0])) == 0) {
    for (int i = 1; i < argc; ++i) {
      if (!phalanx::bitstream::test::run_file(argv[i])) return 1;
    }
    return 0;
  }
  const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const uint64_t inputs = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 50000;
  phalanx::bitstream::test::run_seed(seed, inputs);
  return 0;
}
