// NIST's AES-GCM vectors through the CPU engine's library and through the kernel's data path: frame, crypt, hash, the
// judgement of the tag and the writer, as they stand in esp_crypto. A vector's nonce and AAD are not ESP's, so the
// contexts that admit would make are made here; AAD of several blocks is hashed up to its last one beforehand.
#include "drivers/cpu/esp/gcm.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "kernels/esp_crypto/datapath.hpp"
#include "kernels/esp_crypto/judge.hpp"
#include "tests/cavp/vectors.hpp"

namespace phalanx {
namespace {

using Bytes = std::vector<uint8_t>;

struct Answer {
  bool accepted;
  Bytes data;
  Bytes tag;  // when sealing
};

uint64_t word_at(const Bytes& bytes, size_t at, size_t count) {
  uint64_t word = 0;
  for (size_t i = 0; i < count; ++i) word = word << 8 | (at + i < bytes.size() ? bytes[at + i] : 0);
  return word;
}

struct Installed {
  uint64_t round_key[2 * hls::kAesRoundKeysMax];
  uint64_t power[2 * hls::kGcmPowers];
};

Installed install(const Bytes& key) {
  uint32_t words[8] = {};
  for (size_t i = 0; i < key.size() / 4; ++i) words[i] = static_cast<uint32_t>(word_at(key, 4 * i, 4));
  Installed installed;
  hls::aes_expand_key(words, static_cast<uint32_t>(key.size()), installed.round_key);
  hls::gcm_powers(installed.round_key, static_cast<uint32_t>(key.size()), installed.power);
  return installed;
}

hls::AesBlock folded_aad(const Bytes& aad, hls::AesBlock h) {
  hls::AesBlock sum = {0, 0};
  for (size_t at = 0; at < aad.size(); at += 16) {
    if (at != 0) sum = hls::ghash_multiply(sum, h);
    sum = hls::xor_blocks(sum, {word_at(aad, at, 8), word_at(aad, at + 8, 8)});
  }
  return sum;
}

esp_crypto::CryptContext crypt_context(const GcmVector& v, const Installed& installed, bool seal, size_t data_bytes) {
  esp_crypto::CryptContext c = {};
  std::copy_n(installed.round_key, std::size(installed.round_key), c.round_key);
  c.rounds = static_cast<uint32_t>(hls::aes_rounds(static_cast<uint32_t>(v.key.size())));
  c.salt = static_cast<uint32_t>(word_at(v.iv, 0, 4));
  c.iv = word_at(v.iv, 4, 8);
  c.aad = folded_aad(v.aad, {installed.power[0], installed.power[1]});
  c.aad_bytes = static_cast<uint32_t>(v.aad.size());
  c.data_bytes = static_cast<uint32_t>(data_bytes);
  c.seal = seal;
  return c;
}

std::vector<abi::Line> to_lines(const Bytes& bytes) {
  std::vector<abi::Line> lines((bytes.size() + 63) / 64);
  if (!bytes.empty()) std::memcpy(lines.data(), bytes.data(), bytes.size());
  return lines;
}

void send_lines(const std::vector<abi::Line>& input, esp_crypto::Lines& lines) {
  for (const abi::Line& line : input) lines.write(line);
}

template <typename Stream, typename Context>
void send_context(Context context, Stream& contexts) {
  contexts.write(context);
  context.end = true;
  contexts.write(context);
}

// `input`: what lies in memory, plaintext or ESP packet.
Answer run_kernel(const GcmVector& v, bool seal, const Bytes& input) {
  const Installed installed = install(v.key);
  const size_t data_bytes = seal ? input.size() : input.size() - abi::kEspOverheadBytes;
  const esp_crypto::CryptContext crypt_one = crypt_context(v, installed, seal, data_bytes);
  esp_crypto::HashContext hash_one = {};
  for (int i = 0; i < hls::kGcmPowers; ++i) hash_one.power[i] = {installed.power[2 * i], installed.power[2 * i + 1]};
  hash_one.blocks = esp_crypto::packet_blocks(crypt_one.data_bytes);
  const std::vector<abi::Line> in = to_lines(input);
  esp_crypto::FrameContext frame_one = {};
  frame_one.lines = static_cast<uint32_t>(in.size());
  frame_one.data_bytes = crypt_one.data_bytes;
  frame_one.seal = seal;
  esp_crypto::JudgeContext judge_one = {};
  judge_one.seal = seal;
  judge_one.fresh = true;
  judge_one.sequence = 1;
  judge_one.data_bytes = crypt_one.data_bytes;
  std::vector<abi::Line> out(in.size() + 1);
  std::memset(out.data(), 0xa5, out.size() * sizeof(abi::Line));
  const std::vector<abi::Line> untouched = out;
  abi::EspResult result = {};
  std::vector<esp_crypto::SaState> states(1);
  esp_crypto::Used used;

  esp_crypto::FrameContexts frames;
  esp_crypto::CryptContexts crypts;
  esp_crypto::HashContexts hash_contexts;
  esp_crypto::JudgeContexts judges;
  esp_crypto::SaStates fresh_states;
  esp_crypto::Lines lines;
  esp_crypto::Beats beats, hashes;
  esp_crypto::HeldBeats held;
  esp_crypto::Blocks icvs, tag_masks, digests;
  esp_crypto::Verdicts verdicts;
  PHALANX_DATAFLOW_BEGIN
  PHALANX_STAGE(send_context(frame_one, frames));
  PHALANX_STAGE(send_context(crypt_one, crypts));
  PHALANX_STAGE(send_context(hash_one, hash_contexts));
  PHALANX_STAGE(send_context(judge_one, judges));
  PHALANX_STAGE(fresh_states.write({}));
  PHALANX_STAGE(send_lines(in, lines));
  PHALANX_STAGE(esp_crypto::frame(frames, lines, beats, icvs));
  PHALANX_STAGE(esp_crypto::crypt(crypts, beats, held, hashes, tag_masks));
  PHALANX_STAGE(esp_crypto::hash(hash_contexts, hashes, digests));
  PHALANX_STAGE(esp_crypto::judge(judges, fresh_states, tag_masks, digests, icvs, states.data(), &used, verdicts));
  PHALANX_STAGE(esp_crypto::write_packets(verdicts, held, out.data(), &result));
  PHALANX_DATAFLOW_END

  Answer answer = {result.status == abi::EspStatus::kDone, {}, {}};
  if (!answer.accepted) {
    EXPECT_EQ(std::memcmp(out.data(), untouched.data(), out.size() * sizeof(abi::Line)), 0) << v.where;
    return answer;
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(out.data());
  const size_t from = seal ? 16 : 0;
  answer.data.assign(bytes + from, bytes + from + data_bytes);
  if (seal) answer.tag.assign(bytes + from + data_bytes, bytes + from + data_bytes + 16);
  return answer;
}

Answer run_cpu(const GcmVector& v, bool seal, const Bytes& data) {
  const Gcm gcm = *Gcm::make();
  const GcmKey key = *gcm.expand(v.key);
  GcmNonce nonce;
  std::copy(v.iv.begin(), v.iv.end(), nonce.begin());
  Bytes out(data.size());
  const GcmTag tag =
      seal ? gcm.seal(key, nonce, v.aad, data, out.data()) : gcm.open(key, nonce, v.aad, data, out.data());
  if (seal) return {true, out, Bytes(tag.begin(), tag.end())};
  GcmTag received;
  std::copy(v.tag.begin(), v.tag.end(), received.begin());
  const bool accepted = tags_equal(tag, received);
  return {accepted, accepted ? out : Bytes(), {}};
}

Bytes esp_packet(const GcmVector& v) {
  Bytes packet(16);
  packet.insert(packet.end(), v.ciphertext.begin(), v.ciphertext.end());
  packet.insert(packet.end(), v.tag.begin(), v.tag.end());
  return packet;
}

class Cavp : public testing::TestWithParam<const char*> {};

// Tags shorter than 16 bytes are the beginning of the whole one.
TEST_P(Cavp, Encrypt) {
  const auto vectors = read_gcm_vectors("gcmEncryptExtIV" + std::string(GetParam()) + ".rsp");
  ASSERT_GE(vectors.size(), 2600u) << "is python3-cryptography-vectors installed? looked in " << PHALANX_GCM_VECTORS;
  for (const GcmVector& v : vectors) {
    for (const bool kernel : {false, true}) {
      const Answer answer = kernel ? run_kernel(v, true, v.plaintext) : run_cpu(v, true, v.plaintext);
      ASSERT_TRUE(answer.accepted);
      ASSERT_EQ(answer.data, v.ciphertext) << v.where << " kernel " << kernel;
      ASSERT_EQ(Bytes(answer.tag.begin(), answer.tag.begin() + static_cast<ptrdiff_t>(v.tag.size())), v.tag)
          << v.where << " kernel " << kernel;
    }
  }
}

// Those with tags of 16 bytes: ESP has no shorter ones here.
TEST_P(Cavp, Decrypt) {
  int tried = 0, failed = 0;
  for (const GcmVector& v : read_gcm_vectors("gcmDecrypt" + std::string(GetParam()) + ".rsp")) {
    if (v.tag.size() != 16) continue;
    ++tried;
    failed += v.fails;
    for (const bool kernel : {false, true}) {
      const Answer answer = kernel ? run_kernel(v, false, esp_packet(v)) : run_cpu(v, false, v.ciphertext);
      ASSERT_EQ(answer.accepted, !v.fails) << v.where << " kernel " << kernel;
      ASSERT_EQ(answer.data, v.fails ? Bytes() : v.plaintext) << v.where << " kernel " << kernel;
    }
  }
  EXPECT_GE(tried, 375) << "is python3-cryptography-vectors installed? looked in " << PHALANX_GCM_VECTORS;
  EXPECT_GE(failed, 100);
}

INSTANTIATE_TEST_SUITE_P(KeyBits, Cavp, testing::Values("128", "256"));

}  // namespace
}  // namespace phalanx
