// The known answers of the card's self-test, judged by the CPU's engines; and that wrong ones are noticed.
#include "drivers/card_driver/self_test.hpp"

#include "drivers/cpu/cpu_engine.hpp"
#include "drivers/cpu/esp/esp_engine.hpp"

namespace phalanx::card_driver {
namespace {

std::unique_ptr<Accelerator> cpu_engine() {
  EngineConfig config;
  config.sessions_max = kSelfTestSlots;
  config.half_open_max = kSelfTestSlots;
  auto engine = CpuEngine::create(config);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

TEST(SelfTest, TheCpuEnginesPass) {
  const auto engine = cpu_engine();
  EXPECT_EQ(test_session_engine(*engine), absl::OkStatus());
  EXPECT_EQ(test_state_delta(*engine), absl::OkStatus());
  const auto esp = make_cpu_esp_engine({.sa_max = kSelfTestSas});
  ASSERT_TRUE(esp.ok());
  EXPECT_EQ(test_esp_crypto(**esp), absl::OkStatus());
}

TEST(SelfTest, AnEngineThatHasSessionsAlreadyDoesNotPass) {
  const auto engine = cpu_engine();
  EXPECT_EQ(test_session_engine(*engine), absl::OkStatus());
  const absl::Status again = test_session_engine(*engine);
  EXPECT_EQ(again.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(again.message()), testing::HasSubstr("packet 0 of the handshake"));
}

TEST(SelfTest, StateDeltaWantsTheSessionOfTheTestBefore) {
  const absl::Status status = test_state_delta(*cpu_engine());
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("0 are given"));
}

// An ESP engine that flips a bit of what comes out, or lets everything pass.
class WrongEsp final : public EspEngine {
 public:
  explicit WrongEsp(bool flips) : flips_(flips), engine_(*make_cpu_esp_engine({.sa_max = kSelfTestSas})) {}
  std::string name() const override { return "wrong"; }
  uint32_t sa_max() const override { return engine_->sa_max(); }
  absl::Status install(uint32_t index, const abi::EspSa& sa) override { return engine_->install(index, sa); }
  absl::Status remove(uint32_t index) override { return engine_->remove(index); }
  absl::StatusOr<abi::EspSa> read(uint32_t index) override { return engine_->read(index); }
  absl::Status submit(const EspBatch& batch) override {
    batch_ = batch;
    return engine_->submit(batch);
  }
  size_t poll(absl::Span<uint64_t> tags) override {
    const size_t count = engine_->poll(tags);
    if (count == 0) return 0;
    if (flips_) batch_.output[1].word[0] ^= 1;
    if (!flips_) batch_.results[0].status = abi::EspStatus::kDone;
    return count;
  }

 private:
  const bool flips_;
  std::unique_ptr<EspEngine> engine_;
  EspBatch batch_;
};

TEST(SelfTest, WrongEspEnginesDoNotPass) {
  WrongEsp flips(true);
  EXPECT_THAT(std::string(test_esp_crypto(flips).message()), testing::HasSubstr("128 bits seals"));
  WrongEsp lax(false);
  EXPECT_THAT(std::string(test_esp_crypto(lax).message()), testing::HasSubstr("refuses a flipped bit"));
}

}  // namespace
}  // namespace phalanx::card_driver
