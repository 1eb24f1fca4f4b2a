#include "drivers/card_driver/self_test.hpp"

#include <array>
#include <cstring>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace phalanx::card_driver {
namespace {

using Clock = std::chrono::steady_clock;

absl::Status expect(bool fact, absl::string_view what) {
  return fact ? absl::OkStatus() : absl::InternalError(absl::StrCat("not so: ", what));
}

absl::Status health_of(const Accelerator& engine) { return engine.health(); }
// EspEngine has none: one that has failed refuses the next batch.
absl::Status health_of(const EspEngine&) { return absl::OkStatus(); }

// One batch to its end, the engine's failure, or the time limit's end.
template <typename Engine, typename B>
absl::Status carry_out(Engine& engine, const B& batch) {
  if (absl::Status status = engine.submit(batch); !status.ok()) return status;
  const Clock::time_point due = Clock::now() + kSelfTestLimit;
  for (uint64_t tag = 0; engine.poll({&tag, 1}) == 0;) {
    if (absl::Status status = health_of(engine); !status.ok()) return status;
    if (Clock::now() > due) return absl::DeadlineExceededError("a batch is not answered");
  }
  return absl::OkStatus();
}

hls::PacketMeta segment(const hls::Endpoint& from, const hls::Endpoint& to, uint8_t flags, uint32_t seq, uint32_t ack) {
  const hls::DirectedKey k = hls::make_key(from, to, hls::kProtocolTcp, 4, 0);
  hls::PacketMeta p = {};
  p.key = k.key;
  p.from_b = k.from_b;
  p.kind = hls::kPacketTcp;
  p.tcp_flags = flags;
  p.seq = seq;
  p.ack = ack;
  p.bytes = 40;
  p.window = 65000;
  p.segments = 1;
  p.window_scale = hls::kNoWindowScale;
  return p;
}

constexpr hls::Endpoint kClient = {0, 0x0a000001, 40000};
constexpr hls::Endpoint kServer = {0, 0xc6336401, 80};
constexpr hls::Endpoint kTranslated = {0, 0xcb007105, 50000};
constexpr uint16_t kRule = 12;
constexpr uint32_t kNowMs = 5000;

struct Want {
  abi::Result result;
  uint8_t direction, state, rewritten;
};
constexpr std::array<Want, 4> kHandshake = {{{abi::Result::kDone, 0, hls::kStateTcpSynSent, 1},
                                             {abi::Result::kDone, 1, hls::kStateTcpSynReceived, 1},
                                             {abi::Result::kDone, 0, hls::kStateTcpEstablished, 1},
                                             {abi::Result::kMiss, 0, 0, 0}}};

struct EspAnswer {
  uint8_t key_bytes;  // 00 01 02 ...
  const char* packet;
};
// Sequence number 7 of SPI 0x1000 + key bytes, salt cafebabe, extended sequence numbers, 62 bytes from 0x64 on and the
// trailer 00 04; made with OpenSSL's AES-GCM.
constexpr EspAnswer kEspAnswers[] = {
    {16,
     "000010100000000700000000000000074cd700c3f2421ec1a0b1b7e63ebd501082b1c23237a18dc6f0b7067d315291b9"
     "59222f6bc74192e9792a37ab1bcc990a5333bf50119e13e43f806a795252b376ec9361a78dd1c7c81869b9d5bdc38f9c"},
    {32,
     "0000102000000007000000000000000767486093b3036033b4e89a1ca066b671f53fb89771c276035a71c776297b69ff"
     "2794a4431faf95d7f4b8e7fe13dc5f5db4ba80871ef57fc495a1ec9b262713e79c83a53b7288ef36cc96bce0da1f6ba6"},
};
constexpr size_t kPlainBytes = 64;
constexpr size_t kPacketBytes = kPlainBytes + abi::kEspOverheadBytes;
constexpr uint32_t kLines = 2;  // of a packet

std::string plaintext() {
  std::string text;
  for (size_t i = 0; i < kPlainBytes - 2; ++i) text.push_back(static_cast<char>(100 + i));
  return text + std::string("\x00\x04", 2);
}

absl::Status install(EspEngine& engine, uint32_t index, const EspAnswer& answer, uint8_t direction) {
  std::vector<uint8_t> key(answer.key_bytes);
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i);
  EspSaConfig config;
  config.spi = 0x1000u + answer.key_bytes;
  config.direction = direction;
  config.key = key;
  config.salt = {0xca, 0xfe, 0xba, 0xbe};
  config.sequence = direction == abi::kEspSeal ? 6 : 0;
  config.sequence_limit = 100;
  const auto sa = make_sa(config);
  return sa.ok() ? engine.install(index, *sa) : sa.status();
}

struct EspOutcome {
  abi::EspResult result = {};
  std::string bytes;
};

// One packet through the engine.
absl::StatusOr<EspOutcome> work(EspEngine& engine, uint32_t sa, uint8_t direction, const std::string& bytes) {
  std::array<abi::Line, kLines> input = {}, output = {};
  std::memcpy(input.data(), bytes.data(), bytes.size());
  abi::EspJob job = {};
  job.direction = direction;
  job.sa = sa;
  job.input_bytes = static_cast<uint32_t>(bytes.size());
  job.output_lines = kLines;
  EspOutcome outcome;
  const EspBatch batch = {
      1, {&job, 1}, absl::MakeConstSpan(input), absl::MakeSpan(output), absl::MakeSpan(&outcome.result, 1)};
  if (absl::Status status = carry_out(engine, batch); !status.ok()) return status;
  if (outcome.result.status == abi::EspStatus::kDone) {
    const size_t count = std::min<size_t>(outcome.result.output_bytes, sizeof(output));
    outcome.bytes.assign(reinterpret_cast<const char*>(output.data()), count);
  }
  return outcome;
}

absl::Status expect_packet(EspEngine& engine, uint32_t sa, uint8_t direction, const std::string& in,
                           abi::EspStatus status, const std::string& out, absl::string_view what) {
  const auto outcome = work(engine, sa, direction, in);
  if (!outcome.ok()) return outcome.status();
  return expect(outcome->result.status == status && outcome->bytes == out,
                absl::StrCat(what, ": status ", static_cast<int>(outcome->result.status), ", ", outcome->bytes.size(),
                             " bytes ", absl::BytesToHexString(outcome->bytes)));
}

absl::Status test_answer(EspEngine& engine, uint32_t first_sa, const EspAnswer& answer) {
  absl::Status status = install(engine, first_sa, answer, abi::kEspSeal);
  status.Update(install(engine, first_sa + 1, answer, abi::kEspOpen));
  if (!status.ok()) return status;
  const std::string bits = absl::StrCat("AES-GCM of ", answer.key_bytes * 8, " bits");
  const std::string packet = absl::HexStringToBytes(answer.packet);
  static_assert(kPacketBytes <= kLines * sizeof(abi::Line), "a packet's lines");
  std::string damaged = packet;
  damaged[40] ^= 1;
  using abi::EspStatus;
  status = expect_packet(engine, first_sa, abi::kEspSeal, plaintext(), EspStatus::kDone, packet, bits + " seals");
  status.Update(expect_packet(engine, first_sa + 1, abi::kEspOpen, damaged, EspStatus::kBadIcv, "",
                              bits + " refuses a flipped bit"));
  status.Update(
      expect_packet(engine, first_sa + 1, abi::kEspOpen, packet, EspStatus::kDone, plaintext(), bits + " opens"));
  status.Update(expect_packet(engine, first_sa + 1, abi::kEspOpen, packet, EspStatus::kReplayed, "",
                              bits + " refuses a replayed packet"));
  status.Update(engine.remove(first_sa));
  status.Update(engine.remove(first_sa + 1));
  return status;
}

}  // namespace

absl::Status test_session_engine(Accelerator& engine) {
  std::array<abi::Operation, kHandshake.size()> operations = {};
  std::array<abi::Completion, kHandshake.size()> completions = {};
  operations[0].opcode = abi::Opcode::kInsert;
  operations[0].packet = segment(kClient, kServer, hls::kTcpSyn, 100, 0);
  operations[1].packet = segment(kServer, kTranslated, hls::kTcpSyn | hls::kTcpAck, 900, 101);
  operations[2].packet = segment(kClient, kServer, hls::kTcpAck, 101, 901);
  operations[3].packet = segment(kServer, kClient, hls::kTcpAck, 901, 101);  // not by way of the NAT: no session
  for (size_t i = 1; i < operations.size(); ++i) operations[i].opcode = abi::Opcode::kLookup;
  abi::Record record = {};
  record.session.key = operations[0].packet.key;
  record.session.flags = static_cast<uint8_t>(operations[0].packet.from_b | hls::kNatSource);
  record.session.nat_source = static_cast<uint32_t>(kTranslated.lo);
  record.session.nat_source_port = kTranslated.port;
  record.session.rule = kRule;
  const Batch batch = {.tag = 1,
                       .now_ms = kNowMs,
                       .operations = operations,
                       .records = {&record, 1},
                       .completions = absl::MakeSpan(completions),
                       .output = {}};
  if (absl::Status status = carry_out(engine, batch); !status.ok()) return status;
  for (size_t i = 0; i < completions.size(); ++i) {
    const abi::Completion& c = completions[i];
    const Want& want = kHandshake[i];
    const bool right = c.result == want.result && c.direction == want.direction && c.state == want.state &&
                       c.rewritten == want.rewritten;
    absl::Status status =
        expect(right, absl::StrCat("packet ", i, " of the handshake: result ", static_cast<int>(c.result),
                                   ", direction ", c.direction, ", state ", c.state, ", rewritten ", c.rewritten));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status test_state_delta(Accelerator& engine) {
  constexpr size_t kRoom = 10;
  std::vector<abi::Record> output(kRoom);
  abi::Operation operation = {};
  operation.opcode = abi::Opcode::kExtract;
  operation.count = kRoom;
  abi::Completion completion = {};
  const Batch batch = {.tag = 2,
                       .now_ms = kNowMs,
                       .operations = {&operation, 1},
                       .records = {},
                       .completions = {&completion, 1},
                       .output = absl::MakeSpan(output)};
  if (absl::Status status = carry_out(engine, batch); !status.ok()) return status;
  const hls::Session& s = output[0].session;
  absl::Status status =
      expect(completion.count == 1, absl::StrCat("one session has changed, ", completion.count, " are given"));
  status.Update(expect(s.state == hls::kStateTcpEstablished && s.rule == kRule && s.nat_source == kTranslated.lo &&
                           s.nat_source_port == kTranslated.port && s.last_seen == kNowMs,
                       "the session is given as it is"));
  status.Update(expect(s.packets[0] == 2 && s.packets[1] == 1 && (s.flags & hls::kDirty) == 0,
                       "its counters are given, and no mark of the table"));
  if (!status.ok()) return status;
  if (status = carry_out(engine, batch); !status.ok()) return status;
  return expect(completion.count == 0, "what was given is not given again");
}

absl::Status test_esp_crypto(EspEngine& engine) {
  uint32_t sa = 0;
  for (const EspAnswer& answer : kEspAnswers) {
    if (absl::Status status = test_answer(engine, sa, answer); !status.ok()) return status;
    sa += 2;
  }
  return absl::OkStatus();
}

}  // namespace phalanx::card_driver
