// Loading a bitstream step by step on a card that starts or does not: which files are there, what is told.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "drivers/bitstream/bitstream.hpp"
#include "host/daemon/card_manager.hpp"
#include "host/daemon/card_run.hpp"
#include "tests/unit/bitstream/sample.hpp"

namespace phalanx::daemon {
namespace {

using testing::ElementsAre;

// Moves at once; notes every wish; each start with a file among `bad` is a fault.
class FakeCard final : public RunningCard {
 public:
  explicit FakeCard(std::string path) : path_(std::move(path)) { view_.status.state = OffloadState::kCard; }

  absl::StatusOr<CardView> look() override { return view_; }
  absl::Status ask(CardWish wish) override {
    switch (wish) {
      case CardWish::kRelease:
        if (!stuck) view_.status.state = OffloadState::kCpu;
        break;
      case CardWish::kStop:
        EXPECT_EQ(view_.status.state, OffloadState::kCpu) << "stopped while it decides";
        view_.stopped = true;
        view_.status.card = CardState::kStopped;
        break;
      case CardWish::kUse:
        use();
        break;
    }
    return absl::OkStatus();
  }

  bool stuck = false;                  // sessions do not leave it
  std::vector<std::string> bad;        // bitstreams that it faults with
  std::vector<std::string> started{};  // with these bytes

 private:
  void use() {
    if (!view_.stopped) return;
    std::stringstream bytes;
    bytes << std::ifstream(path_, std::ios::binary).rdbuf();
    started.push_back(bytes.str());
    ++view_.client.starts;
    view_.stopped = false;
    const bool works = std::find(bad.begin(), bad.end(), bytes.str()) == bad.end();
    view_.status.card = works ? CardState::kReady : CardState::kFaulted;
    if (works) {
      view_.status.state = OffloadState::kCard;
    } else {
      ++view_.client.faults;
      view_.fault = {CardFaultKind::kRefused, "not this one"};
    }
  }

  const std::string path_;
  CardView view_;
};

class Listener final : public mgmt::CardListener {
 public:
  void tell(const v1::CardProgress& progress) override { steps.push_back(progress.step()); }
  bool gone() override { return is_gone; }
  bool stopping() override { return is_stopping; }
  std::vector<v1::CardStep> steps;
  bool is_gone = false;
  bool is_stopping = false;
};

std::string text_of(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class CardWorkTest : public testing::Test {
 protected:
  CardWorkTest() {
    std::string pattern = testing::TempDir() + "phalanx-cards-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/card.xclbin";
    std::ofstream(path_) << "former";
    std::ofstream(folder_ + "/card.manifest") << "former manifest";
    config_.set_device("emulated");
    config_.set_bitstream(path_);
    config_.set_allow_unsigned(true);
    card_ = std::make_unique<FakeCard>(path_);
    manager_ = std::make_unique<CardManager>(config_, card_.get());
    upload_.file = "new.xclbin";
    upload_.xclbin = bitstream::test::assembled(bitstream::test::sound_sections());
    upload_.manifest = bitstream::render(bitstream::test::manifest_of(upload_.xclbin));
  }
  ~CardWorkTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  absl::Status load() {
    auto work = manager_->take("");
    return work.ok() ? (*work)->load(upload_, listener_) : work.status();
  }
  void expect_files(const std::string& xclbin, const std::string& manifest) {
    EXPECT_TRUE(text_of(path_) == xclbin);
    EXPECT_EQ(text_of(folder_ + "/card.manifest"), manifest);
    const auto files = std::distance(std::filesystem::directory_iterator(folder_), {});
    EXPECT_EQ(files, 2) << "something is left over";
  }

  std::string folder_, path_;
  v1::Card config_;
  mgmt::BitstreamUpload upload_;
  Listener listener_;
  std::unique_ptr<FakeCard> card_;
  std::unique_ptr<CardManager> manager_;
};

TEST_F(CardWorkTest, ANewBitstreamTakesTheFormerOnesPlace) {
  EXPECT_EQ(load(), absl::OkStatus());
  EXPECT_THAT(listener_.steps, ElementsAre(v1::CARD_STEP_CHECKED, v1::CARD_STEP_MOVED_AWAY, v1::CARD_STEP_STOPPED,
                                           v1::CARD_STEP_PROGRAMMED, v1::CARD_STEP_DONE));
  EXPECT_EQ(card_->started.size(), 1u);
  expect_files(upload_.xclbin, upload_.manifest);
}

TEST_F(CardWorkTest, ACardThatDoesNotStartWithItGetsTheFormerOneBack) {
  card_->bad = {upload_.xclbin};
  const absl::Status status = load();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("not this one"));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("the former bitstream is in use again"));
  EXPECT_EQ(listener_.steps.back(), v1::CARD_STEP_RESTORED);
  ASSERT_EQ(card_->started.size(), 2u);
  EXPECT_EQ(card_->started[1], "former");
  expect_files("former", "former manifest");
}

TEST_F(CardWorkTest, WithoutAWayBackBothReasonsAreTold) {
  card_->bad = {upload_.xclbin, "former"};
  const absl::Status status = load();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("the former bitstream does not run either"));
  expect_files("former", "former manifest");
}

TEST_F(CardWorkTest, WhereThereWasNoneNoneIsLeft) {
  std::filesystem::remove(path_);
  std::filesystem::remove(folder_ + "/card.manifest");
  card_->bad = {upload_.xclbin};
  EXPECT_FALSE(load().ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(CardWorkTest, ARefusedOneTouchesNothing) {
  config_.set_allow_unsigned(false);
  manager_ = std::make_unique<CardManager>(config_, card_.get());
  const absl::Status status = load();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(), "new.manifest: signature: is missing");
  EXPECT_THAT(listener_.steps, ElementsAre());
  EXPECT_TRUE(card_->started.empty());
  expect_files("former", "former manifest");
}

TEST_F(CardWorkTest, AClientThatIsGoneBeforeTheFirstMoveCancels) {
  listener_.is_gone = true;
  EXPECT_EQ(load().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(card_->started.empty());
  expect_files("former", "former manifest");
}

TEST_F(CardWorkTest, AMemberThatStopsKeepsTheFormerFiles) {
  card_->stuck = true;
  listener_.is_stopping = true;
  EXPECT_EQ(load().code(), absl::StatusCode::kUnavailable);
  expect_files("former", "former manifest");
}

TEST_F(CardWorkTest, OneAtATimeAndOnlyThisCard) {
  auto first = manager_->take("emulated");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(manager_->take("").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(manager_->take("0000:01:00.0").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(manager_->status()->work(), "upload");
  first->reset();
  EXPECT_TRUE(manager_->take("").ok());
  EXPECT_EQ(manager_->status()->work(), "");
}

TEST_F(CardWorkTest, TheListSaysWhatIsInPlaceAndNoticesAnotherFile) {
  EXPECT_THAT(manager_->status()->bitstream().problem(), testing::HasSubstr("card.manifest: JSON"));
  EXPECT_EQ(load(), absl::OkStatus());
  const auto status = manager_->status();
  EXPECT_EQ(status->bitstream().problem(), "");
  EXPECT_EQ(status->bitstream().kernels_size(), 3);
  EXPECT_EQ(status->offload(), v1::OFFLOAD_STATE_CARD);
}

TEST(CardRun, OutputCodeAndEnd) {
  const auto run = [](const std::string& script, absl::Duration limit = absl::Seconds(30)) {
    return run_card({"/bin/sh", "-c", script}, {"PATH=/usr/bin:/bin"}, limit, nullptr);
  };
  const auto good = run("echo out; echo err >&2; exit 3");
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(good->exit_code, 3);
  EXPECT_EQ(good->out, "out\n");
  EXPECT_EQ(good->err, "err\n");
  EXPECT_EQ(run("kill -9 $$").status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(run("sleep 60", absl::Milliseconds(100)).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(run_card({"/bin/sleep", "60"}, {}, absl::Seconds(60), [] { return true; }).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_FALSE(run_card({"/nowhere/x"}, {}, absl::Seconds(1), nullptr).ok());
  const auto flood = run("yes | head -c 1000000");
  ASSERT_TRUE(flood.ok());
  EXPECT_EQ(flood->out.size(), kCardRunBytesMax);
}

TEST(CardRun, TheWholeGroupIsGone) {
  const auto run = run_card({"/bin/sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"}, {"PATH=/usr/bin:/bin"},
                            absl::Seconds(30), nullptr);
  ASSERT_TRUE(run.ok()) << run.status();
  // Killed: gone soon, or a zombie where nobody reaps orphans.
  const std::string path = "/proc/" + run->out.substr(0, run->out.size() - 1) + "/status";
  std::string status;
  for (int i = 0; i < 1000; ++i) {
    status = text_of(path);
    if (status.empty() || absl::StrContains(status, "State:\tZ")) return;
    absl::SleepFor(absl::Milliseconds(10));
  }
  FAIL() << status;
}

}  // namespace
}  // namespace phalanx::daemon
