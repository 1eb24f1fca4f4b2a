// A card's process that is told to stop while its gateway goes on; and the lines that phalanx-card says things by.
#include <signal.h>
#include <unistd.h>

#include "drivers/card/card_client.hpp"
#include "drivers/card/card_verbs.hpp"

namespace phalanx {
namespace {

using ::testing::ElementsAre;

class Stop : public ::testing::Test {
 protected:
  void SetUp() override {
    CardClientOptions options;
    options.config.sessions_max = 4096;
    options.config.half_open_max = 1024;
    options.argv = {PHALANX_CARD_PROGRAM, "--driver", "cpu"};
    auto client = CardClient::create(std::move(options));
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
    ready();
  }
  // Tends, a millisecond of the client's time in each of the machine's, until `condition` holds; how many it took.
  template <typename F>
  int tend_until(F condition) {
    int turns = 0;
    for (; turns < 20'000 && !condition(); ++turns) {
      client_->tend(now_ns_ += 1'000'000);
      usleep(1000);
    }
    EXPECT_TRUE(condition());
    return turns;
  }
  void ready() {
    tend_until([this] { return client_->state() == CardState::kReady; });
  }

  std::unique_ptr<CardClient> client_;
  int64_t now_ns_ = 0;
};

TEST_F(Stop, TheProcessEndsByItselfAndComesBackWhenWanted) {
  const pid_t process = client_->process_id();
  client_->begin_stop();
  EXPECT_EQ(client_->state(), CardState::kStopped);
  tend_until([this] { return client_->process_id() == 0; });
  EXPECT_NE(kill(process, 0), 0);  // gone, and reaped
  for (int i = 0; i < 20; ++i) client_->tend(now_ns_ += 1'000'000'000);
  EXPECT_EQ(client_->state(), CardState::kStopped) << "nobody wants it";
  client_->start();
  ready();
  EXPECT_EQ(client_->incarnation(), 2u);
  EXPECT_EQ(client_->client_counters().faults, 0u);
}

TEST_F(Stop, OneThatHangsIsKilledAfterASecond) {
  ASSERT_EQ(kill(client_->process_id(), SIGSTOP), 0);
  client_->begin_stop();
  EXPECT_GE(tend_until([this] { return client_->process_id() == 0; }), 1000);
  EXPECT_EQ(client_->client_counters().faults, 0u);
}

TEST_F(Stop, WantedAgainAtOnceWaitsForTheOldOne) {
  const pid_t process = client_->process_id();
  client_->begin_stop();
  client_->start();
  ready();
  EXPECT_NE(client_->process_id(), process);
  EXPECT_NE(kill(process, 0), 0) << "two processes share the card";
}

TEST(VerbLines, ComeBackAsTheyWere) {
  EXPECT_EQ(verb_line(kTestLine, {"k", "ok", "a\tb\nc"}), "test\tk\tok\ta b c");
  EXPECT_THAT(parse_verb_line("test\tk\tok\ta b c"), ElementsAre("test", "k", "ok", "a b c"));
  EXPECT_THAT(parse_verb_line("sensor\tbdf\tpresent\t"), ElementsAre("sensor", "bdf", "present", ""));
  for (const char* other : {"", "test", "test\tk\tok", "test\tk\tok\ta\tb", "INFO: [HW-EMU 01]", "tests\ta\tb\tc"}) {
    EXPECT_THAT(parse_verb_line(other), ElementsAre()) << other;
  }
}

}  // namespace
}  // namespace phalanx
