// The Cards service and phalanxctl cards, in front of a card that does what a test wants.
#include <algorithm>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "phalanx/v1/card.grpc.pb.h"
#include "tests/unit/mgmt/fixture.hpp"

namespace phalanx::mgmt {
namespace {

constexpr char kDevice[] = "0000:65:00.1";

v1::CardProgress progress(v1::CardStep step, uint64_t done = 0, uint64_t total = 0, const std::string& detail = "") {
  v1::CardProgress one;
  one.set_step(step);
  one.set_done(done);
  one.set_total(total);
  one.set_detail(detail);
  return one;
}

v1::CardProgress tested(const std::string& name, bool failed, const std::string& detail) {
  v1::CardProgress one = progress(v1::CARD_STEP_TESTED, 0, 0, detail);
  one.set_name(name);
  one.set_failed(failed);
  return one;
}

class CardsTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    v1::CardStatus& card = control_.card_.status;
    card.set_device(kDevice);
    card.set_driver(v1::CARD_DRIVER_XRT);
    card.set_state(v1::CARD_STATE_READY);
    card.set_offload(v1::OFFLOAD_STATE_CARD);
    card.mutable_bitstream()->set_file("/etc/phalanx/card.xclbin");
    card.mutable_bitstream()->set_platform("a_card");
    card.mutable_bitstream()->set_xclbin_uuid("1-2");
    v1::CardKernel* const kernel = card.mutable_bitstream()->add_kernels();
    kernel->set_name("session_engine");
    kernel->set_version(3);
    kernel->set_compute_units(1);
    stub_ = v1::Cards::NewStub(unix_channel());
  }

  RunResult ctl(std::vector<std::string> arguments) const {
    return run_ctl(arguments, {"PHALANX_TARGET=" + unix_target()});
  }

  // A file of `bytes` bytes and its manifest.
  std::string make_file(const std::string& name, size_t bytes) const {
    const std::string path = folder_->path() + "/" + name;
    std::string text(bytes, '\0');
    for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
    std::ofstream(path + ".xclbin", std::ios::binary) << text;
    std::ofstream(path + ".manifest", std::ios::binary) << "{\"format\": 1}";
    return path + ".xclbin";
  }

  // A load of these messages; what it ended with.
  grpc::Status load(const std::vector<v1::LoadBitstreamRequest>& messages) {
    grpc::ClientContext context;
    const auto stream = stub_->LoadBitstream(&context);
    for (const v1::LoadBitstreamRequest& message : messages) {
      if (!stream->Write(message)) break;
    }
    stream->WritesDone();
    v1::CardProgress one;
    while (stream->Read(&one)) {
    }
    return stream->Finish();
  }

  static v1::LoadBitstreamRequest header(uint64_t bytes, const std::string& file = "a.xclbin",
                                         const std::string& manifest = "{}") {
    v1::LoadBitstreamRequest message;
    message.mutable_header()->set_xclbin_bytes(bytes);
    message.mutable_header()->set_file(file);
    message.mutable_header()->set_manifest(manifest);
    return message;
  }
  static v1::LoadBitstreamRequest chunk(size_t bytes) {
    v1::LoadBitstreamRequest message;
    message.set_chunk(std::string(bytes, 'x'));
    return message;
  }

  std::unique_ptr<v1::Cards::Stub> stub_;
};

TEST_F(CardsTest, ListForPeopleAndPrograms) {
  const RunResult run = ctl({"cards", "list"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out,
            "DEVICE        DRIVER  STATE  DECIDES  DEGRADED\n"
            "0000:65:00.1  XRT     READY  CARD     no\n"
            "\n"
            "0000:65:00.1\n"
            "  bitstream   /etc/phalanx/card.xclbin\n"
            "  uuid        1-2\n"
            "  platform    a_card\n"
            "  kernels     session_engine version 3 x 1\n"
            "  signed by   nobody\n");
  const RunResult json = ctl({"cards", "list", "--output", "json"});
  EXPECT_TRUE(absl::StrContains(json.out,
                                "{\"schema\":\"phalanx/1\",\"cards\":[{\"device\":\"0000:65:00.1\","
                                "\"driver\":\"XRT\",\"state\":\"READY\",\"offload\":\"CARD\","
                                "\"degraded\":false,"))
      << json.out;
  control_.card_.status.set_degraded(true);
  control_.card_.status.set_last_fault("it hung\x1b[31m");
  const RunResult degraded = ctl({"cards", "list"});
  EXPECT_EQ(degraded.exit_code, 4);
  EXPECT_TRUE(absl::StrContains(degraded.out, "  last fault  it hung\\x1b[31m\n")) << degraded.out;
}

TEST_F(CardsTest, AMemberWithoutACardSaysSo) {
  control_.card_.there = false;
  for (const std::string verb : {"list", "self-test", "sensors", "reset"}) {
    const RunResult run = ctl({"cards", verb});
    EXPECT_EQ(run.exit_code, 1) << verb;
    EXPECT_EQ(run.err, "phalanxctl: this member has no card (engine.kind is CPU)\n") << verb;
  }
  EXPECT_EQ(load({header(1), chunk(1)}).error_code(), grpc::StatusCode::NOT_FOUND);
  control_.card_.there = true;
  EXPECT_EQ(ctl({"cards", "reset", "--card", "0000:01:00.0"}).err, "phalanxctl: card 0000:01:00.0: not here\n");
}

TEST_F(CardsTest, AFileArrivesWholeAndProgressIsShown) {
  control_.card_.progress = {progress(v1::CARD_STEP_CHECKED, 0, 0, "signed by k\x1b"),
                             progress(v1::CARD_STEP_MOVED_AWAY),
                             progress(v1::CARD_STEP_STOPPED),
                             progress(v1::CARD_STEP_PROGRAMMED),
                             progress(v1::CARD_STEP_MOVING_BACK, 50, 100),
                             progress(v1::CARD_STEP_DONE)};
  // One byte, a whole chunk, one more, and many.
  for (const size_t bytes : {size_t{1}, kBitstreamChunkBytesMax, kBitstreamChunkBytesMax + 1, size_t{1'000'003}}) {
    const std::string file = make_file("good", bytes);
    const RunResult run = ctl({"cards", "load", file});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(run.out, absl::StrCat("received ", bytes,
                                    " bytes\nchecked: signed by k\\x1b\nthe CPU engine decides\nthe card is stopped\n"
                                    "the card is programmed\nthe card decides\n"));
    EXPECT_TRUE(absl::StrContains(run.err, "sent 100 %\n")) << run.err;
    EXPECT_TRUE(absl::StrContains(run.err, "sessions move to the card 50 %\n")) << run.err;
    EXPECT_EQ(control_.card_.upload.xclbin, read_text(file));
    EXPECT_EQ(control_.card_.upload.file, "good.xclbin");
    EXPECT_EQ(control_.card_.upload.manifest, "{\"format\": 1}");
  }
  const RunResult json = ctl({"cards", "load", "--output", "json", make_file("good", 10)});
  EXPECT_EQ(json.err, "");
  EXPECT_TRUE(absl::StartsWith(json.out,
                               "{\"schema\":\"phalanx/1\",\"progress\":{\"step\":\"RECEIVED\",\"done\":10,\"total\":10,"
                               "\"name\":\"\",\"failed\":false,\"detail\":\"\"}}\n"))
      << json.out;
  EXPECT_EQ(std::count(json.out.begin(), json.out.end(), '\n'), 7);
}

TEST_F(CardsTest, ARefusalIsToldAndTheCardIsFreeAgain) {
  control_.card_.result = absl::PermissionDeniedError("good.manifest: signature: is missing");
  const RunResult run = ctl({"cards", "load", make_file("good", 10)});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(run.err, "phalanxctl: good.manifest: signature: is missing\n")) << run.err;
  EXPECT_TRUE(eventually([&] { return !control_.card_.taken; }));
  EXPECT_EQ(ctl({"cards", "load", "/nowhere/a.xclbin"}).err, "phalanxctl: /nowhere/a.xclbin: can't be read\n");
}

TEST_F(CardsTest, UploadsKeepTheirLimits) {
  struct Case {
    const char* name;
    std::vector<v1::LoadBitstreamRequest> messages;
    const char* text;
  };
  const Case cases[] = {
      {"no header", {chunk(1)}, "a header was expected first"},
      {"nothing", {}, "a header was expected first"},
      {"empty", {header(0)}, "a.xclbin: xclbin_bytes: is 0"},
      {"too large", {header(kBitstreamBytesMax + 1)}, "a.xclbin: xclbin_bytes: 536870913, more than 536870912"},
      {"no manifest", {header(1, "a.xclbin", "")}, "a.xclbin: manifest: is missing"},
      {"large manifest",
       {header(1, "a.xclbin", std::string(kManifestTextBytesMax + 1, 'm'))},
       "a.xclbin: manifest: 32769 bytes, more than 32768"},
      {"long name", {header(1, std::string(256, 'n'))}, "the file: file: longer than 255 bytes"},
      {"controls in the name", {header(1, "a\nb")}, "the file: file: has control characters in it"},
      {"too little", {header(10), chunk(9)}, "a.xclbin: xclbin_bytes: 10, but 9 came"},
      {"too much", {header(10), chunk(6), chunk(6)}, "a.xclbin: xclbin_bytes: 10, but more came"},
      {"empty chunk", {header(10), chunk(0)}, "a.xclbin: chunk: 1 to 49152 bytes were expected, behind 0"},
      {"large chunk",
       {header(1'000'000), chunk(kBitstreamChunkBytesMax + 1)},
       "a.xclbin: chunk: 1 to 49152 bytes were expected, behind 0"},
      {"two headers", {header(10), header(10)}, "a.xclbin: chunk: 1 to 49152 bytes were expected, behind 0"},
  };
  for (const Case& one : cases) {
    const grpc::Status status = load(one.messages);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << one.name;
    EXPECT_EQ(status.error_message(), one.text) << one.name;
    EXPECT_TRUE(eventually([&] { return !control_.card_.taken; })) << one.name;
  }
  EXPECT_EQ(control_.card_.upload.file, "") << "nothing reached the card";
}

TEST_F(CardsTest, OneAtATime) {
  control_.card_.hold = true;
  std::thread first([&] { EXPECT_EQ(ctl({"cards", "reset"}).exit_code, 0); });
  EXPECT_TRUE(eventually([&] { return control_.card_.begun.load(); }));
  const RunResult second = ctl({"cards", "self-test"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_EQ(second.err, "phalanxctl: load is going on; one at a time\n");
  EXPECT_EQ(load({header(1'000'000'000)}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(load({header(1), chunk(1)}).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ctl({"cards", "list"}).exit_code, 0) << "a list is always possible";
  control_.card_.hold = false;
  first.join();
}

TEST_F(CardsTest, AClientThatGoesIsNoticedAndTheCardFreeAgain) {
  {  // in the midst of the upload
    grpc::ClientContext context;
    const auto stream = stub_->LoadBitstream(&context);
    EXPECT_TRUE(stream->Write(header(1000)));
    EXPECT_TRUE(eventually([&] { return control_.card_.taken.load(); }));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_TRUE(eventually([&] { return !control_.card_.taken; }));
  EXPECT_EQ(control_.card_.upload.file, "");
  control_.card_.hold = true;
  {  // while the card is worked on
    grpc::ClientContext context;
    const auto reader = stub_->SelfTest(&context, v1::CardRequest());
    EXPECT_TRUE(eventually([&] { return control_.card_.begun.load(); }));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_TRUE(eventually([&] { return control_.card_.seen_gone == 1 && !control_.card_.taken; }));
}

TEST_F(CardsTest, AMemberThatStopsEndsUploadsAndWork) {
  control_.card_.hold = true;
  grpc::ClientContext context;
  const auto reader = stub_->Reset(&context, v1::CardRequest());
  EXPECT_TRUE(eventually([&] { return control_.card_.begun.load(); }));
  server_->shutdown();
  EXPECT_FALSE(reader->Finish().ok());
  EXPECT_EQ(control_.card_.seen_stopping + control_.card_.seen_gone, 1);
}

TEST_F(CardsTest, ShutdownDoesNotWaitForAnUpload) {
  grpc::ClientContext context;
  const auto stream = stub_->LoadBitstream(&context);
  EXPECT_TRUE(stream->Write(header(1000)));
  EXPECT_TRUE(eventually([&] { return control_.card_.taken.load(); }));
  server_->shutdown();
  EXPECT_FALSE(control_.card_.taken);
  EXPECT_FALSE(stream->Finish().ok());
}

TEST_F(CardsTest, SelfTestShowsEachKernelAndAFailedOneInTheExitCode) {
  control_.card_.progress = {tested("session_engine", false, "known answers"), progress(v1::CARD_STEP_DONE)};
  const RunResult good = ctl({"cards", "self-test"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_EQ(good.out, "ok session_engine: known answers\nthe card decides\n");
  control_.card_.progress.insert(control_.card_.progress.begin() + 1, tested("esp_crypto", true, "128 bits seals"));
  const RunResult bad = ctl({"cards", "self-test"});
  EXPECT_EQ(bad.exit_code, 4);
  EXPECT_TRUE(absl::StrContains(bad.out, "FAILED esp_crypto: 128 bits seals\n"));
}

TEST_F(CardsTest, Sensors) {
  const RunResult run = ctl({"cards", "sensors"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.out, "SENSOR   VALUE\nthermal  41 C\\x1b[2J\n");
  EXPECT_EQ(run.err, "of 0000:65:00.1, read by a test\n");
  EXPECT_TRUE(absl::StrContains(ctl({"cards", "sensors", "--output", "json"}).out,
                                "\"sensors\":[{\"name\":\"thermal\",\"value\":\"41 C\\u001b[2J\",\"present\":true}]"));
}

TEST_F(CardsTest, WrongCommandLinesAreUsageErrors) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"cards"}, {"cards", "load"}, {"cards", "list", "--card", "x"}, {"cards", "explode"}}) {
    EXPECT_EQ(ctl(words).exit_code, 2) << testing::PrintToString(words);
  }
}

}  // namespace
}  // namespace phalanx::mgmt
