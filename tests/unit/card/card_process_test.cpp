// Real processes: phalanx-card with the CPU's engine in it, killed, stopped, and answering garbage.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "drivers/card/card_client.hpp"
#include "drivers/cpu/cpu_engine.hpp"
#include "drivers/offload/offload_engine.hpp"
#include "tests/unit/offload/packets.hpp"

namespace phalanx::testing {
namespace {

using abi::Opcode;
using abi::Result;

EngineConfig small() {
  EngineConfig config;
  config.sessions_max = 4096;
  config.half_open_max = 1024;
  config.hash_seed[0] = 0x1234567890abcdef;
  return config;
}

CardClientOptions options_for(std::vector<std::string> argv) {
  CardClientOptions options;
  options.config = small();
  options.argv = std::move(argv);
  options.back_off_first_ns = 1'000'000;
  options.batch_limit_ns = 300'000'000;
  return options;
}

class CardProcess : public ::testing::Test {
 protected:
  void start(const std::vector<std::string>& argv = {PHALANX_CARD_PROGRAM, "--driver", "cpu"}) {
    client_ = *CardClient::create(options_for(argv));
  }
  // Tends until the state is `state`; turns are a millisecond each.
  void reach(CardState state) {
    for (int i = 0; i < 10'000 && client_->state() != state; ++i) {
      client_->tend(now_ns_ += 1'000'000);
      usleep(1000);
    }
    ASSERT_EQ(client_->state(), state) << client_->last_fault().text();
  }
  absl::Status submit(absl::Span<const abi::Operation> operations, absl::Span<abi::Completion> completions,
                      absl::Span<const abi::Record> records = {}, absl::Span<abi::Record> output = {}) {
    return client_->submit({.tag = ++tag_,
                            .now_ms = 1000,
                            .operations = operations,
                            .records = records,
                            .completions = completions,
                            .output = output});
  }
  // False once the client has failed.
  bool wait() {
    uint64_t tag = 0;
    while (client_->state() == CardState::kReady) {
      if (client_->poll(absl::MakeSpan(&tag, 1)) == 1) return tag == tag_;
    }
    return false;
  }

  std::unique_ptr<CardClient> client_;
  int64_t now_ns_ = 0;
  uint64_t tag_ = 0;
};

// The same operations here and in the other process give the same bytes.
TEST_F(CardProcess, AnswersAsTheEngineInIt) {
  start();
  reach(CardState::kReady);
  const auto direct = *CpuEngine::create(small());
  for (uint32_t round = 0; round < 200; ++round) {
    std::vector<abi::Operation> operations;
    std::vector<abi::Record> records;
    for (uint32_t i = 0; i < 40; ++i) {
      const hls::PacketMeta first = packet(round * 7 + i, hls::kProtocolUdp, true);
      operations.push_back(i % 2 == 0 ? lookup(first) : insert(first, static_cast<uint32_t>(records.size())));
      if (i % 2 == 1) records.push_back(opening(first));
    }
    operations.push_back(over(Opcode::kExtract, 0, round % 3 == 0 ? 5 : 100));
    operations.push_back(over(Opcode::kAge, round, 100));
    std::vector<abi::Completion> theirs(operations.size()), ours(operations.size());
    std::vector<abi::Record> their_output(200), our_output(200);
    ASSERT_TRUE(submit(operations, absl::MakeSpan(theirs), records, absl::MakeSpan(their_output)).ok());
    ASSERT_TRUE(wait());
    uint64_t tag = 0;
    ASSERT_TRUE(direct
                    ->submit({.tag = 0,
                              .now_ms = 1000,
                              .operations = operations,
                              .records = records,
                              .completions = absl::MakeSpan(ours),
                              .output = absl::MakeSpan(our_output)})
                    .ok());
    direct->poll(absl::MakeSpan(&tag, 1));
    ASSERT_EQ(std::memcmp(theirs.data(), ours.data(), ours.size() * sizeof(ours[0])), 0) << round;
    ASSERT_EQ(std::memcmp(their_output.data(), our_output.data(), our_output.size() * sizeof(our_output[0])), 0);
    ASSERT_EQ(client_->generation(), direct->generation());
    ASSERT_EQ(client_->counters().sessions, direct->counters().sessions);
  }
}

TEST_F(CardProcess, AnswersHereWhatNeedsNoCard) {
  start();
  reach(CardState::kReady);
  std::vector<abi::Record> output(16);
  abi::Completion completion;
  const auto ask = [&](const abi::Operation& operation, absl::Span<const abi::Record> records = {}) {
    const uint64_t before = client_->client_counters().answered_here;
    EXPECT_TRUE(
        submit(absl::MakeConstSpan(&operation, 1), absl::MakeSpan(&completion, 1), records, absl::MakeSpan(output))
            .ok());
    EXPECT_TRUE(wait());
    EXPECT_EQ(completion.result, Result::kDone);
    return client_->client_counters().answered_here - before;
  };
  const hls::PacketMeta first = packet(1, hls::kProtocolUdp, true);
  const abi::Record record = opening(first);
  const abi::Operation extract = over(Opcode::kExtract, 0, 16);
  EXPECT_EQ(ask(extract), 0u);  // the card is asked once in a while
  EXPECT_EQ(ask(extract), 1u);
  EXPECT_EQ(ask(over(Opcode::kAge, 0, 64)), 1u);  // no slot was ever used
  EXPECT_EQ(ask(insert(first, 0), absl::MakeConstSpan(&record, 1)), 0u);
  EXPECT_EQ(ask(over(Opcode::kAge, 0, 64)), 0u);
  EXPECT_EQ(ask(over(Opcode::kAge, 1, 64)), 1u);
  EXPECT_EQ(ask(extract), 0u);
  EXPECT_EQ(completion.count, 1u);
  EXPECT_EQ(ask(extract), 1u);
  EXPECT_EQ(ask(lookup(first)), 0u);  // changes nothing
  EXPECT_EQ(ask(extract), 1u);
  EXPECT_EQ(ask(lookup(packet(1, hls::kProtocolUdp, false))), 0u);  // the responder's first: logged
  EXPECT_EQ(ask(extract), 0u);
  EXPECT_EQ(completion.count, 1u);
}

TEST_F(CardProcess, DeathIsNoticedAndTheCardComesBackEmpty) {
  start();
  reach(CardState::kReady);
  const pid_t first_process = client_->process_id();
  ASSERT_EQ(::kill(first_process, SIGKILL), 0);
  const abi::Operation operation = lookup(packet(1, hls::kProtocolUdp, true));
  abi::Completion completion;
  EXPECT_TRUE(submit(absl::MakeConstSpan(&operation, 1), absl::MakeSpan(&completion, 1)).ok());
  EXPECT_FALSE(wait());
  EXPECT_EQ(client_->last_fault().kind, CardFaultKind::kDied);
  EXPECT_EQ(client_->last_fault().what, "signal 9");
  EXPECT_TRUE(absl::IsFailedPrecondition(submit({}, {})));
  reach(CardState::kReady);
  EXPECT_NE(client_->process_id(), first_process);
  EXPECT_EQ(client_->incarnation(), 2u);
  EXPECT_TRUE(submit(absl::MakeConstSpan(&operation, 1), absl::MakeSpan(&completion, 1)).ok());
  EXPECT_TRUE(wait());
  EXPECT_EQ(completion.result, Result::kMiss);
}

TEST_F(CardProcess, AStoppedProcessIsHungAndKilled) {
  start();
  reach(CardState::kReady);
  const pid_t process = client_->process_id();
  ASSERT_EQ(::kill(process, SIGSTOP), 0);
  const abi::Operation operation = lookup(packet(1, hls::kProtocolUdp, true));
  abi::Completion completion;
  ASSERT_TRUE(submit(absl::MakeConstSpan(&operation, 1), absl::MakeSpan(&completion, 1)).ok());
  EXPECT_FALSE(wait());
  EXPECT_EQ(client_->last_fault().kind, CardFaultKind::kHung);
  reach(CardState::kReady);
  EXPECT_NE(client_->process_id(), process);
  EXPECT_NE(::kill(process, 0), 0);  // gone, and reaped
}

// tend() is given another clock's time than poll() looks at, as the daemon does: after a slow answer as before.
TEST_F(CardProcess, DeathOfAnIdleCardIsNoticedAfterASlowAnswer) {
  start();
  reach(CardState::kReady);
  const abi::Operation operation = lookup(packet(1, hls::kProtocolUdp, true));
  abi::Completion completion;
  ASSERT_EQ(::kill(client_->process_id(), SIGSTOP), 0);
  ASSERT_TRUE(submit(absl::MakeConstSpan(&operation, 1), absl::MakeSpan(&completion, 1)).ok());
  uint64_t tag = 0;
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(client_->poll(absl::MakeSpan(&tag, 1)), 0u);
  ASSERT_EQ(::kill(client_->process_id(), SIGCONT), 0);
  ASSERT_TRUE(wait()) << client_->last_fault().text();
  ASSERT_EQ(::kill(client_->process_id(), SIGKILL), 0);
  reach(CardState::kFaulted);
  EXPECT_EQ(client_->last_fault().kind, CardFaultKind::kDied);
}

// Nobody asks for the answer: the batch's time runs all the same.
TEST_F(CardProcess, AHungBatchIsNoticedWithoutPolls) {
  start();
  reach(CardState::kReady);
  ASSERT_EQ(::kill(client_->process_id(), SIGSTOP), 0);
  const abi::Operation operations[] = {lookup(packet(1, hls::kProtocolUdp, true)),
                                       lookup(packet(2, hls::kProtocolUdp, true))};
  abi::Completion completions[2];
  ASSERT_TRUE(submit(operations, absl::MakeSpan(completions)).ok());
  reach(CardState::kFaulted);
  EXPECT_EQ(client_->last_fault().kind, CardFaultKind::kHung);
  EXPECT_EQ(client_->last_fault().what, "2 operations, 300 ms");
}

struct IdleEnd {
  const char* kind;
  CardFaultKind fault;
  const char* what;
};

// What a server says of itself between batches is heard, though its process lives on.
TEST_F(CardProcess, AnIdleServerThatGivesUpIsNoticed) {
  const IdleEnd cases[] = {{"refuse-and-hang", CardFaultKind::kRefused, "found to be broken"},
                           {"state", CardFaultKind::kImpossible, "header.state 77"}};
  for (const IdleEnd& end : cases) {
    start({PHALANX_MAD_CARD, end.kind});
    reach(CardState::kReady);
    const pid_t process = client_->process_id();
    const abi::Operation operation = lookup(packet(1, hls::kProtocolUdp, true));
    abi::Completion completion;
    for (int batch = 0; batch < 3; ++batch) {
      ASSERT_TRUE(submit(absl::MakeConstSpan(&operation, 1), absl::MakeSpan(&completion, 1)).ok());
      ASSERT_TRUE(wait()) << end.kind << ": " << client_->last_fault().text();
    }
    reach(CardState::kFaulted);
    EXPECT_EQ(client_->last_fault().kind, end.fault) << end.kind;
    EXPECT_EQ(client_->last_fault().what, end.what);
    reach(CardState::kReady);
    EXPECT_NE(::kill(process, 0), 0) << end.kind << ": the old process is gone, and reaped";
  }
}

TEST_F(CardProcess, IsInASessionOfItsOwnAndEndsWithItsClient) {
  start();
  reach(CardState::kReady);
  const pid_t process = client_->process_id();
  EXPECT_EQ(getsid(process), process);
  EXPECT_EQ(getpgid(process), process);
  client_.reset();
  EXPECT_NE(::kill(process, 0), 0);
}

// A gateway that dies without a word: the test takes its orphan over, and sees it end.
TEST_F(CardProcess, EndsWhenTheGatewayIsGone) {
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t gateway = fork();
  ASSERT_GE(gateway, 0);
  if (gateway == 0) {
    start();
    reach(CardState::kReady);
    const pid_t card = client_->process_id();
    _exit(write(pipe_fds[1], &card, sizeof(card)) == sizeof(card) ? 0 : 1);
  }
  pid_t card = 0;
  EXPECT_EQ(read(pipe_fds[0], &card, sizeof(card)), static_cast<ssize_t>(sizeof(card)));
  EXPECT_EQ(waitpid(gateway, nullptr, 0), gateway);
  int status = -1;
  pid_t ended = 0;
  for (int i = 0; i < 10'000 && ended == 0; ++i) {
    ended = waitpid(card, &status, WNOHANG);
    usleep(1000);
  }
  EXPECT_EQ(ended, card);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  if (ended == 0) ::kill(card, SIGKILL);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_F(CardProcess, SaysWhyItCannotStart) {
  start({PHALANX_CARD_PROGRAM, "--driver", "none-such"});
  reach(CardState::kFaulted);
  EXPECT_EQ(client_->last_fault().kind, CardFaultKind::kRefused);
  EXPECT_NE(client_->last_fault().what.find("none-such"), std::string::npos) << client_->last_fault().what;
  start({"/nonexistent/phalanx-card"});
  reach(CardState::kFaulted);
  EXPECT_EQ(client_->last_fault().kind, CardFaultKind::kNotStarted);
  start({"/bin/false"});
  reach(CardState::kFaulted);
  EXPECT_EQ(client_->last_fault().kind, CardFaultKind::kDied);
  EXPECT_EQ(client_->last_fault().what, "exit status 1 while starting");
}

// A process that answers garbage of kind `argv[1]`: tests/unit/card/mad_card.cpp.
class MadCard : public CardProcess, public ::testing::WithParamInterface<const char*> {};

TEST_P(MadCard, IsFoundImpossibleAndTheCpuGoesOn) {
  start({PHALANX_MAD_CARD, GetParam()});
  const auto cpu = *CpuEngine::create(small());
  OffloadOptions options;
  options.config = small();
  options.return_after_fault = false;
  const auto engine = *OffloadEngine::create(options, client_.get(), cpu.get());
  for (int i = 0; i < 10'000 && engine->status().state != OffloadState::kCard; ++i) {
    engine->poll_moves(now_ns_ += 1'000'000);
    usleep(200);
    if (engine->status().counters.moves_failed != 0) break;
  }
  for (uint32_t flow = 0; flow < 20; ++flow) {
    const hls::PacketMeta first = packet(flow, hls::kProtocolUdp, true);
    const abi::Operation operations[] = {insert(first, 0), lookup(first), over(Opcode::kExtract, 0, 8)};
    const abi::Record record = opening(first);
    abi::Completion completions[3];
    std::vector<abi::Record> output(8);
    ASSERT_TRUE(engine
                    ->submit({.tag = 1,
                              .now_ms = 1000,
                              .operations = operations,
                              .records = absl::MakeConstSpan(&record, 1),
                              .completions = absl::MakeSpan(completions),
                              .output = absl::MakeSpan(output)})
                    .ok());
    uint64_t tag = 0;
    while (engine->poll(absl::MakeSpan(&tag, 1)) == 0) {
    }
    EXPECT_EQ(completions[0].result, Result::kDone);
    EXPECT_EQ(completions[1].result, Result::kDone);
    EXPECT_EQ(completions[2].count, 1u);
  }
  EXPECT_EQ(engine->name(), "offload:cpu");
  EXPECT_EQ(engine->status().last_fault.kind, CardFaultKind::kImpossible) << engine->status().last_fault.text();
  EXPECT_EQ(cpu->counters().sessions, 20u);
}

INSTANTIATE_TEST_SUITE_P(EachGarbage, MadCard,
                         ::testing::Values("completed-ahead", "completed-back", "sequence", "status", "generation",
                                           "result", "slot", "count", "record"));

}  // namespace
}  // namespace phalanx::testing
