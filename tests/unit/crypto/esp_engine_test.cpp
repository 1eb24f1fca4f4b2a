// What an ESP engine does with single packets, packets in a row, leases and windows: the CPU's and the kernel alike.
#include "hls/native/dataflow.hpp"
#include "tests/unit/crypto/esp_harness.hpp"

namespace phalanx {
namespace {

using abi::EspStatus;
using abi::kEspOpen;
using abi::kEspSeal;

const Bytes kKey = counting(16, 0x40);

class Esp : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    hls::native::set_settings({});
    engine_ = std::move(both_engines(600)[GetParam()]);
  }
  void install(uint32_t index, const EspSaConfig& config) {
    const auto sa = make_sa(config);
    ASSERT_TRUE(sa.ok()) << sa.status();
    ASSERT_TRUE(engine_->install(index, *sa).ok());
  }
  // SAs 0 seals and 1 opens.
  void install_pair(const Bytes& key = kKey, bool esn = true) {
    EspSaConfig seal = sa_config(kEspSeal, 0, key), open = sa_config(kEspOpen, 0, key);
    seal.esn = open.esn = esn;
    install(0, seal);
    install(1, open);
  }
  Bytes seal(const Bytes& plaintext) { return run_one(*engine_, kEspSeal, 0, plaintext).output; }
  EspStatus open_status(const Bytes& packet) { return run_one(*engine_, kEspOpen, 1, packet).result.status; }

  std::unique_ptr<EspEngine> engine_;
};

INSTANTIATE_TEST_SUITE_P(Engines, Esp, testing::Values(0, 1),
                         [](const auto& test) { return test.param == 0 ? "Cpu" : "Kernel"; });

TEST_P(Esp, OpensWhatItSealedOfEveryLength) {
  for (const size_t key_bytes : {16u, 32u}) {
    install_pair(counting(key_bytes, 9));
    uint64_t sequence = 0;
    for (size_t bytes = 4; bytes <= 400; bytes += 4) {
      const Bytes plaintext = counting(bytes);
      const Outcome sealed = run_one(*engine_, kEspSeal, 0, plaintext);
      ASSERT_EQ(sealed.result.status, EspStatus::kDone);
      ASSERT_EQ(sealed.result.sequence, ++sequence);
      ASSERT_EQ(sealed.output.size(), bytes + abi::kEspOverheadBytes);
      // SPI 0x1000, sequence number, and the IV, which is the whole number.
      ASSERT_EQ(Bytes(sealed.output.begin(), sealed.output.begin() + 7), from_hex("00001000000000"));
      ASSERT_EQ(sealed.output[7], sequence & 0xff);
      ASSERT_EQ(sealed.output[15], sequence & 0xff);
      const Outcome opened = run_one(*engine_, kEspOpen, 1, sealed.output);
      ASSERT_EQ(opened.result.status, EspStatus::kDone) << bytes;
      ASSERT_EQ(opened.result.sequence, sequence);
      ASSERT_EQ(opened.output, plaintext);
    }
  }
}

struct Malformed {
  const char* name;
  uint8_t direction;
  uint32_t sa;
  size_t input_bytes;
  int32_t room_less;  // lines
  EspStatus status;
};

// SA 0 seals, 1 opens, 2 is not installed.
const Malformed kMalformed[] = {
    {"no direction", 0, 0, 64, 0, EspStatus::kInvalid},
    {"unknown direction", 3, 0, 64, 0, EspStatus::kInvalid},
    {"nothing to seal", kEspSeal, 0, 0, 0, EspStatus::kInvalid},
    {"not a multiple of four", kEspSeal, 0, 66, 0, EspStatus::kInvalid},
    {"one too long", kEspSeal, 0, abi::kEspPlaintextBytesMax + 4, 0, EspStatus::kInvalid},
    {"the longest", kEspSeal, 0, abi::kEspPlaintextBytesMax, 0, EspStatus::kDone},
    {"too little room", kEspSeal, 0, 64, 1, EspStatus::kInvalid},
    {"nothing but overhead", kEspOpen, 1, 32, 0, EspStatus::kInvalid},
    {"less than overhead", kEspOpen, 1, 12, 0, EspStatus::kInvalid},
    {"odd packet", kEspOpen, 1, 61, 0, EspStatus::kInvalid},
    {"packet too long", kEspOpen, 1, abi::kEspPlaintextBytesMax + 36, 0, EspStatus::kInvalid},
    {"another SPI", kEspOpen, 1, 64, 0, EspStatus::kInvalid},
    {"no such SA", kEspSeal, 600, 64, 0, EspStatus::kInvalid},
    {"far away SA", kEspSeal, 0xffffffff, 64, 0, EspStatus::kInvalid},
    {"SA not installed", kEspSeal, 2, 64, 0, EspStatus::kInactive},
    {"seal by an SA that opens", kEspSeal, 1, 64, 0, EspStatus::kInactive},
    {"open by an SA that seals", kEspOpen, 0, 64, 0, EspStatus::kInactive},
};

TEST_P(Esp, RefusesMalformedJobsByThemselves) {
  install_pair();
  Work work;
  for (const Malformed& m : kMalformed) {
    const size_t i = work.add(m.direction, m.sa, Bytes(m.input_bytes));
    work.job(i).output_lines -= static_cast<uint32_t>(m.room_less);
    work.add(kEspSeal, 0, counting(100));  // goes on as if nothing had been between
  }
  work.run(*engine_);
  uint64_t sequence = 0;
  for (size_t i = 0; i < work.size(); i += 2) {
    EXPECT_EQ(work.results()[i].status, kMalformed[i / 2].status) << kMalformed[i / 2].name;
    EXPECT_EQ(work.untouched(i), kMalformed[i / 2].status != EspStatus::kDone) << kMalformed[i / 2].name;
    sequence += kMalformed[i / 2].status == EspStatus::kDone;
    EXPECT_EQ(work.results()[i + 1].sequence, ++sequence) << kMalformed[i / 2].name;
  }
}

// The strong property: whatever bit of a packet is another, nothing comes out and the window does not move.
TEST_P(Esp, AnyFlippedBitLetsNothingOut) {
  install_pair();
  const Bytes packet = seal(counting(52));
  Work work;
  for (size_t bit = 0; bit < 8 * packet.size(); ++bit) {
    Bytes flipped = packet;
    flipped[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    work.add(kEspOpen, 1, flipped);
  }
  work.run(*engine_);
  for (size_t bit = 0; bit < work.size(); ++bit) {
    const EspStatus want = bit < 32 ? EspStatus::kInvalid : EspStatus::kBadIcv;
    // The sequence number's bits: 1 with its lowest bit flipped is 0, which nobody sends.
    EXPECT_TRUE(work.results()[bit].status == want || (bit == 56 && work.results()[bit].status == EspStatus::kReplayed))
        << bit << " status " << static_cast<int>(work.results()[bit].status);
    EXPECT_EQ(work.results()[bit].output_bytes, 0u);
    EXPECT_TRUE(work.untouched(bit)) << bit;
  }
  EXPECT_EQ(engine_->read(1)->sequence, 0u);
  EXPECT_EQ(engine_->read(1)->refused, 8 * packet.size() - 32);
  EXPECT_EQ(open_status(packet), EspStatus::kDone);
}

TEST_P(Esp, PacketsOfOneSaInARowSeeEachOther) {
  install_pair();
  Work work;
  const Bytes first = seal(counting(64)), second = seal(counting(1408)), third = seal(counting(4));
  Bytes forged = third;
  forged.back() ^= 1;
  const std::pair<Bytes, EspStatus> row[] = {{second, EspStatus::kDone},    {second, EspStatus::kReplayed},
                                             {first, EspStatus::kDone},     {forged, EspStatus::kBadIcv},
                                             {third, EspStatus::kDone},     {forged, EspStatus::kReplayed},
                                             {first, EspStatus::kReplayed}, {third, EspStatus::kReplayed}};
  for (const auto& [packet, status] : row) work.add(kEspOpen, 1, packet);
  work.run(*engine_);
  for (size_t i = 0; i < work.size(); ++i) {
    EXPECT_EQ(work.results()[i].status, row[i].second) << i;
    EXPECT_EQ(work.untouched(i), row[i].second != EspStatus::kDone) << i;
  }
  const abi::EspSa sa = *engine_->read(1);
  EXPECT_EQ(sa.packets, 3u);
  EXPECT_EQ(sa.bytes, 64u + 1408 + 4);
  EXPECT_EQ(sa.refused, 5u);
  EXPECT_EQ(sa.sequence, 3u);
}

TEST_P(Esp, ALeaseIsNeverExceeded) {
  for (const bool esn : {false, true}) {
    EspSaConfig config = sa_config(kEspSeal, 0, kKey);
    config.esn = esn;
    config.sequence = 0xfffffffc;
    config.sequence_limit = esn ? 0x100000000 : 0xffffffff;
    install(0, config);
    Work work;
    for (int i = 0; i < 8; ++i) work.add(kEspSeal, 0, counting(64));
    work.run(*engine_);
    const size_t left = static_cast<size_t>(config.sequence_limit - config.sequence);
    for (size_t i = 0; i < work.size(); ++i) {
      EXPECT_EQ(work.results()[i].status, i < left ? EspStatus::kDone : EspStatus::kExhausted);
      EXPECT_EQ(work.results()[i].sequence, i < left ? config.sequence + 1 + i : 0);
      EXPECT_EQ(work.untouched(i), i >= left);
    }
    // Renewed, it goes on behind the last one.
    abi::EspSa sa = *engine_->read(0);
    EXPECT_EQ(sa.sequence, config.sequence_limit);
    sa.sequence_limit += 10;
    ASSERT_TRUE(engine_->install(0, sa).ok());
    const EspStatus after = run_one(*engine_, kEspSeal, 0, counting(64)).result.status;
    EXPECT_EQ(after, esn ? EspStatus::kDone : EspStatus::kExhausted);
  }
}

TEST_P(Esp, GoesOverTheBorderOfTheLowHalf) {
  EspSaConfig sealing = sa_config(kEspSeal, 0, kKey), opening = sa_config(kEspOpen, 0, kKey);
  sealing.sequence = opening.sequence = 0xffffffff - 20;
  sealing.sequence_limit = 0x1000000ff;
  install(0, sealing);
  install(1, opening);
  Work work, opened;
  for (int i = 0; i < 40; ++i) work.add(kEspSeal, 0, counting(64));
  work.run(*engine_);
  // Pairwise exchanged, so that both halves of the border are seen from both sides.
  for (size_t i = 0; i < 40; ++i) opened.add(kEspOpen, 1, work.output_of(i ^ 1));
  opened.run(*engine_);
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(opened.results()[i].status, EspStatus::kDone) << i;
    EXPECT_EQ(opened.results()[i].sequence, work.results()[i ^ 1].sequence) << i;
  }
}

TEST_P(Esp, MoreSasInABatchThanThereArePlacesOnChip) {
  std::vector<abi::EspSa> sas;
  Work work;
  for (uint32_t i = 0; i < 600; ++i) install(i, sa_config(kEspSeal, i, kKey));
  for (int round = 0; round < 2; ++round) {
    for (uint32_t i = 0; i < 600; ++i) work.add(kEspSeal, i, counting(20));
  }
  work.run(*engine_);
  for (size_t i = 0; i < work.size(); ++i) ASSERT_EQ(work.results()[i].sequence, 1 + i / 600) << i;
}

TEST_P(Esp, RemovedSasAreGone) {
  install_pair();
  EXPECT_TRUE(engine_->read(0).ok());
  ASSERT_TRUE(engine_->remove(0).ok());
  EXPECT_EQ(engine_->read(0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(engine_->read(600).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(run_one(*engine_, kEspSeal, 0, counting(64)).result.status, EspStatus::kInactive);
}

TEST(EspConfig, IsRefusedByField) {
  const Bytes key = counting(16);
  const Bytes short_key = counting(15);
  const auto with = [&](auto change) {
    EspSaConfig config = sa_config(kEspSeal, 0, key);
    change(config);
    return std::string(make_sa(config).status().message());
  };
  EXPECT_THAT(with([](EspSaConfig& c) { c.spi = 255; }), testing::HasSubstr("spi 255"));
  EXPECT_THAT(with([](EspSaConfig& c) { c.direction = 3; }), testing::HasSubstr("direction"));
  EXPECT_THAT(with([&](EspSaConfig& c) { c.key = short_key; }), testing::HasSubstr("key of 15 bytes"));
  EXPECT_THAT(with([](EspSaConfig& c) { c.window_size = 65; }), testing::HasSubstr("window_size 65"));
  EXPECT_THAT(with([](EspSaConfig& c) { c.window_size = 1088; }), testing::HasSubstr("window_size 1088"));
  EXPECT_THAT(with([](EspSaConfig& c) { c.esn = false, c.sequence_limit = 1ull << 32; }),
              testing::HasSubstr("sequence_limit"));
}

TEST(EspBatch, IsRefusedIfItReachesBeyondItsBuffers) {
  abi::EspJob job = {};
  job.direction = kEspSeal;
  job.input_bytes = 65;
  abi::Line lines[2] = {};
  abi::EspResult result;
  const auto check = [&](size_t input, size_t output, size_t results) {
    return std::string(check_batch({.tag = 0,
                                    .jobs = absl::MakeConstSpan(&job, 1),
                                    .input = absl::MakeConstSpan(lines, input),
                                    .output = absl::MakeSpan(lines, output),
                                    .results = absl::MakeSpan(&result, results)})
                           .message());
  };
  EXPECT_EQ(check(2, 0, 1), "");
  EXPECT_THAT(check(1, 0, 1), testing::HasSubstr("job 0: input_line"));
  job.output_lines = 0xffffffff;
  job.output_line = 0xffffffff;
  EXPECT_THAT(check(2, 2, 1), testing::HasSubstr("job 0: output_line"));
  EXPECT_THAT(check(2, 2, 0), testing::HasSubstr("0 results for 1 jobs"));
}

}  // namespace
}  // namespace phalanx
