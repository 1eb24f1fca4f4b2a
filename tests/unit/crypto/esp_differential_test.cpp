// Random jobs give equal results, equal output and equal SAs on the CPU and in the kernel, whoever stalls when; and
// what the kernel takes for it in the cycle model.
#include <random>

#include "hls/native/dataflow.hpp"
#include "tests/unit/crypto/esp_harness.hpp"

namespace phalanx {
namespace {

using abi::kEspOpen;
using abi::kEspSeal;

constexpr uint32_t kPairs = 150;  // SA 2p seals, 2p + 1 opens: more than places on chip

uint32_t draw(std::mt19937_64& random, uint32_t below) { return static_cast<uint32_t>(random() % below); }

Bytes random_bytes(std::mt19937_64& random, size_t count) {
  Bytes bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

void install_pairs(std::mt19937_64& random, std::vector<std::unique_ptr<EspEngine>>& engines) {
  for (uint32_t p = 0; p < kPairs; ++p) {
    const Bytes key = random_bytes(random, p % 2 == 0 ? 16 : 32);
    EspSaConfig config = sa_config(kEspSeal, p, key);
    config.esn = p % 3 != 0;
    config.window_size = p % 7 == 0 ? 0 : 64 * (1 + draw(random, 16));
    // Many begin shortly before the low half turns over, some have a short lease.
    if (config.esn && p % 2 == 0) config.sequence = (random() % 3 << 32) + 0xffffffff - random() % 40;
    config.sequence_limit = config.sequence + (p % 5 == 0 ? 10 : 1000);
    for (auto& engine : engines) {
      config.direction = kEspSeal;
      ASSERT_TRUE(engine->install(2 * p, *make_sa(config)).ok());
      config.direction = kEspOpen;
      ASSERT_TRUE(engine->install(2 * p + 1, *make_sa(config)).ok());
    }
  }
}

struct Sealed {
  uint32_t pair;
  Bytes packet;
};

// Seals, opens of what was sealed before (also twice, late, or damaged), and nonsense.
Work random_work(std::mt19937_64& random, const std::vector<Sealed>& sealed, uint32_t pairs) {
  Work work;
  const size_t jobs = 1 + random() % 120;
  for (size_t i = 0; i < jobs; ++i) {
    const uint32_t choice = draw(random, 100);
    const uint32_t pair = draw(random, pairs);
    if (choice < 45) {
      const size_t bytes = choice < 4 ? random() % 9040 : choice < 8 ? random() % 130 : 4 * (random() % 100);
      work.add(kEspSeal, 2 * pair, random_bytes(random, bytes));
    } else if (choice < 96 && !sealed.empty()) {
      const size_t back = std::min<size_t>(sealed.size(), random() % 200 == 0 ? sealed.size() : 60);
      Sealed one = sealed[sealed.size() - 1 - random() % back];
      if (choice < 60) one.packet[random() % one.packet.size()] ^= static_cast<uint8_t>(1 + random() % 255);
      if (choice < 50) one.packet[4] ^= 0x80;  // a number far away: the high half that follows from it is another
      const size_t at = work.add(kEspOpen, 2 * one.pair + 1, one.packet);
      if (random() % 60 == 0) work.job(at).output_lines = 0;
    } else {
      work.add(static_cast<uint8_t>(random() % 4), draw(random, 330), random_bytes(random, random() % 300));
    }
  }
  return work;
}

// Sums by status, to know that every kind of result was met.
struct Tally {
  uint64_t count[6] = {};
};

void compare(const Work& a, const Work& b, Tally& tally) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::memcmp(&a.results()[i], &b.results()[i], sizeof(abi::EspResult)), 0)
        << i << ": " << static_cast<int>(a.results()[i].status) << " and " << static_cast<int>(b.results()[i].status)
        << ", " << a.results()[i].sequence << " and " << b.results()[i].sequence;
    ++tally.count[static_cast<int>(a.results()[i].status)];
    ASSERT_TRUE(a.results()[i].status == abi::EspStatus::kDone || a.untouched(i)) << i;
  }
  ASSERT_EQ(std::memcmp(a.output().data(), b.output().data(), a.output().size() * sizeof(abi::Line)), 0);
}

void compare_sas(EspEngine& a, EspEngine& b) {
  for (uint32_t i = 0; i < 2 * kPairs; ++i) {
    const abi::EspSa x = *a.read(i), y = *b.read(i);
    ASSERT_EQ(std::memcmp(&x, &y, sizeof x), 0) << i << " sequence " << x.sequence << " and " << y.sequence;
  }
}

class Differential : public testing::TestWithParam<uint64_t> {};

TEST_P(Differential, CpuAndKernelAreBitEqual) {
  std::mt19937_64 random(GetParam());
  auto engines = both_engines(2 * kPairs);
  install_pairs(random, engines);
  std::vector<Sealed> sealed;
  Tally tally;
  for (int round = 0; round < 60; ++round) {
    // Few SAs in play: packets of one in a row; many: stretches.
    Work work = random_work(random, sealed, round % 3 == 0 ? kPairs : round % 3 == 1 ? 3 : 1);
    Work kernel_work = work;
    hls::native::set_settings({.seed = GetParam() * 1000 + round, .stalls = round % 2 == 0});
    work.run(*engines[0]);
    kernel_work.run(*engines[1]);
    compare(work, kernel_work, tally);
    if (HasFatalFailure()) return;
    for (size_t i = 0; i < work.size(); ++i) {
      if (work.results()[i].status == abi::EspStatus::kDone && work.job(i).direction == kEspSeal) {
        sealed.push_back({work.job(i).sa / 2, work.output_of(i)});
      }
    }
    if (round % 10 == 9) compare_sas(*engines[0], *engines[1]);
  }
  for (const uint64_t count : tally.count) EXPECT_GT(count, 5u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Differential, testing::Range<uint64_t>(1, 7));

struct Rate {
  const char* name;
  size_t data_bytes;
  uint32_t sas;
  uint32_t reads_in_flight;
  double goal_gbps;  // of data, at 300 MHz
};

const Rate kRates[] = {{"Data1408OneSa", 1408, 1, 128, 100},    {"Data1408In64Sas", 1408, 64, 128, 100},
                       {"Data1408SlowMemory", 1408, 1, 64, 90}, {"Data64OneSa", 64, 1, 128, 60},
                       {"Data64In64Sas", 64, 64, 128, 50},      {"Data9000", 9000, 4, 128, 130}};

class Cycles : public testing::TestWithParam<Rate> {};

// 1000 packets a batch, both directions, start and end of the batch with them.
TEST_P(Cycles, GoalAt300MHz) {
  const Rate& rate = GetParam();
  const Bytes key = counting(32);
  KernelEngine engine(2 * rate.sas);
  for (uint32_t i = 0; i < rate.sas; ++i) {
    ASSERT_TRUE(engine.install(2 * i, *make_sa(sa_config(kEspSeal, i, key))).ok());
    ASSERT_TRUE(engine.install(2 * i + 1, *make_sa(sa_config(kEspOpen, i, key))).ok());
  }
  const uint32_t packets = rate.data_bytes > 2000 ? 100 : 1000;
  Work seal, open;
  for (uint32_t i = 0; i < packets; ++i) seal.add(kEspSeal, 2 * (i % rate.sas), Bytes(rate.data_bytes));
  hls::native::set_settings({.memory_outstanding = rate.reads_in_flight});
  const auto gbps = [&](Work& work) {
    hls::native::reset_cycles();
    work.run(engine);
    for (const abi::EspResult& result : work.results()) EXPECT_EQ(result.status, abi::EspStatus::kDone);
    const double seconds = static_cast<double>(hls::native::cycles()) / 300e6;
    return static_cast<double>(packets * rate.data_bytes) * 8 / seconds / 1e9;
  };
  const double seal_gbps = gbps(seal);
  for (uint32_t i = 0; i < packets; ++i) open.add(kEspOpen, 2 * (i % rate.sas) + 1, seal.output_of(i));
  const double open_gbps = gbps(open);
  RecordProperty("seal_gbps", std::to_string(seal_gbps));
  RecordProperty("open_gbps", std::to_string(open_gbps));
  EXPECT_GE(seal_gbps, rate.goal_gbps);
  EXPECT_GE(open_gbps, rate.goal_gbps);
}

// Forged packets with numbers from far away among real ones: each makes the real one behind it wait for its own end,
// and the cost of one does not grow with the batch.
TEST(EspUnderForgery, CostsALatencyEach) {
  const Bytes key = counting(32);
  KernelEngine engine(2);
  ASSERT_TRUE(engine.install(0, *make_sa(sa_config(kEspSeal, 0, key))).ok());
  ASSERT_TRUE(engine.install(1, *make_sa(sa_config(kEspOpen, 0, key))).ok());
  hls::native::set_settings({.memory_outstanding = 128});
  Work seal, open;
  constexpr uint32_t kPackets = 300;
  for (uint32_t i = 0; i < kPackets; ++i) seal.add(kEspSeal, 0, Bytes(1408));
  seal.run(engine);
  for (uint32_t i = 0; i < kPackets; ++i) {
    Bytes forged = seal.output_of(i);
    forged[4] ^= 0x80;
    open.add(kEspOpen, 1, forged);
    open.add(kEspOpen, 1, seal.output_of(i));
  }
  hls::native::reset_cycles();
  open.run(engine);
  for (uint32_t i = 0; i < 2 * kPackets; ++i) {
    ASSERT_EQ(open.results()[i].status, i % 2 == 0 ? abi::EspStatus::kBadIcv : abi::EspStatus::kDone) << i;
  }
  EXPECT_GT(hls::native::cycles() / kPackets, 100u);  // it did wait
  EXPECT_LT(hls::native::cycles() / kPackets, 1000u);
}

INSTANTIATE_TEST_SUITE_P(Goals, Cycles, testing::ValuesIn(kRates), [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace phalanx
