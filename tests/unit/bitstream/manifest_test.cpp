// Who is believed about a bitstream, and that it is for this program and this card.
#include "drivers/bitstream/manifest.hpp"

#include <functional>

#include "tests/unit/bitstream/sample.hpp"

namespace phalanx::bitstream::test {
namespace {

using ::testing::HasSubstr;

struct ManifestCase {
  const char* name;
  std::function<void(Manifest&)> change;
  absl::StatusCode code;
  const char* message;  // file, field and reason
};

std::ostream& operator<<(std::ostream& out, const ManifestCase& c) { return out << c.name; }

// Each with a signature that is right for what it says.
class SignedManifest : public ::testing::TestWithParam<ManifestCase> {};

TEST_P(SignedManifest, IsRefusedWithItsOwnMessage) {
  const KeyPair keys = make_keys();
  const std::string xclbin = assembled(sound_sections());
  Manifest manifest = manifest_of(xclbin);
  GetParam().change(manifest);
  const auto loaded = load_bitstream("/cards/a.xclbin", xclbin, render(signed_by(manifest, keys)), trusting(keys));
  EXPECT_EQ(loaded.status().code(), GetParam().code);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Manifest, SignedManifest,
    ::testing::Values(
        ManifestCase{"abi", [](Manifest& m) { m.abi_version += 1; }, absl::StatusCode::kFailedPrecondition,
                     "/cards/a.manifest: abi_version: "},
        ManifestCase{"unknown_platform", [](Manifest& m) { m.platform = "xilinx_u200"; },
                     absl::StatusCode::kFailedPrecondition, "/cards/a.manifest: platform: xilinx_u200 is none"},
        ManifestCase{"other_platform_than_xclbin", [](Manifest& m) { m.platform = kPlatforms[1].xrt_name; },
                     absl::StatusCode::kFailedPrecondition,
                     "/cards/a.xclbin: m_platformVBNV: phalanx_emulated_card_1, but"},
        ManifestCase{"kernel_version", [](Manifest& m) { m.kernels[1].version = 7; },
                     absl::StatusCode::kFailedPrecondition, "/cards/a.manifest: kernels: state_delta has version 7"},
        ManifestCase{"kernel_missing", [](Manifest& m) { m.kernels.pop_back(); }, absl::StatusCode::kFailedPrecondition,
                     "/cards/a.manifest: kernels: esp_crypto is missing"},
        ManifestCase{"kernel_unknown", [](Manifest& m) { m.kernels[0].name = "firewall"; },
                     absl::StatusCode::kFailedPrecondition, "/cards/a.manifest: kernels: firewall is none"},
        ManifestCase{"kernel_twice", [](Manifest& m) { m.kernels[0] = m.kernels[1]; },
                     absl::StatusCode::kInvalidArgument, "/cards/a.manifest: kernels: state_delta twice"},
        ManifestCase{"no_kernels", [](Manifest& m) { m.kernels.clear(); }, absl::StatusCode::kInvalidArgument,
                     "/cards/a.manifest: kernels: none"},
        ManifestCase{"compute_units", [](Manifest& m) { m.kernels[2].compute_units = 3; },
                     absl::StatusCode::kFailedPrecondition,
                     "/cards/a.xclbin: IP_LAYOUT: 2 compute units of esp_crypto"},
        ManifestCase{"hash_of_another_file", [](Manifest& m) { m.xclbin_sha256 = sha256_hex("another"); },
                     absl::StatusCode::kDataLoss, "/cards/a.xclbin: sha256: "},
        ManifestCase{"hash_too_short", [](Manifest& m) { m.xclbin_sha256.pop_back(); },
                     absl::StatusCode::kInvalidArgument, "/cards/a.manifest: xclbin_sha256: is not 64"},
        ManifestCase{"word_with_line_end", [](Manifest& m) { m.platform = "a\\nabi_version 2"; },
                     absl::StatusCode::kInvalidArgument, "/cards/a.manifest: platform: has something else"},
        ManifestCase{"long_word", [](Manifest& m) { m.platform = std::string(64, 'p'); },
                     absl::StatusCode::kInvalidArgument, "/cards/a.manifest: platform: longer than 63"},
        ManifestCase{"no_platform", [](Manifest& m) { m.platform.clear(); }, absl::StatusCode::kInvalidArgument,
                     "/cards/a.manifest: platform: is missing"}),
    [](const auto& suite) { return std::string(suite.param.name); });

class Signatures : public ::testing::Test {
 protected:
  absl::Status load(const Manifest& manifest, const TrustPolicy& policy) {
    return load_bitstream("a.xclbin", xclbin_, render(manifest), policy).status();
  }
  const KeyPair ours_ = make_keys();
  const KeyPair theirs_ = make_keys();
  const std::string xclbin_ = assembled(sound_sections());
  const Manifest manifest_ = manifest_of(xclbin_);
};

TEST_F(Signatures, AManifestOfATrustedKeyIsTaken) {
  TrustPolicy policy = trusting(theirs_);
  policy.keys.push_back(trusting(ours_).keys.front());
  const auto loaded = load_bitstream("a.xclbin", xclbin_, render(signed_by(manifest_, ours_)), policy);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(loaded->trusted);
  EXPECT_EQ(loaded->contents.compute_units.size(), 4);
  EXPECT_EQ(loaded->xclbin, xclbin_);
}

TEST_F(Signatures, WithoutOneItIsTakenOnlyIfThePolicySaysSo) {
  const absl::Status refused = load(manifest_, trusting(ours_));
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("a.manifest: signature: is missing"));
  const auto loaded = load_bitstream("a.xclbin", xclbin_, render(manifest_), trusting_all());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_FALSE(loaded->trusted);
}

TEST_F(Signatures, AnUnknownKeyIsNamed) {
  const absl::Status refused = load(signed_by(manifest_, theirs_), trusting(ours_));
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("signer: key " + trusting(theirs_).keys.front().id()));
  EXPECT_TRUE(load(signed_by(manifest_, theirs_), trusting_all()).ok());
}

TEST_F(Signatures, AWrongSignatureOfATrustedKeyIsRefusedEvenIfNoneIsNeeded) {
  Manifest manifest = signed_by(manifest_, ours_);
  manifest.signature[5] = manifest.signature[5] == '0' ? '1' : '0';
  TrustPolicy policy = trusting(ours_);
  policy.allow_unsigned = true;
  EXPECT_EQ(load(manifest, policy).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(load(manifest, policy).message()), HasSubstr("a.manifest: signature: is not that of key"));
}

// Whatever is changed after signing.
TEST_F(Signatures, CoverEveryField) {
  const std::function<void(Manifest&)> changes[] = {
      [](Manifest& m) { m.abi_version = 9; },
      [](Manifest& m) { m.platform += "x"; },
      [](Manifest& m) { m.kernels[0].name += "x"; },
      [](Manifest& m) { m.kernels[0].version = 9; },
      [](Manifest& m) { m.kernels.pop_back(); },
      [](Manifest& m) { m.kernels[0].compute_units = 9; },
      [](Manifest& m) { m.xclbin_sha256[0] = m.xclbin_sha256[0] == '0' ? '1' : '0'; },
  };
  for (const auto& change : changes) {
    Manifest manifest = signed_by(manifest_, ours_);
    change(manifest);
    EXPECT_EQ(load(manifest, trusting(ours_)).code(), absl::StatusCode::kPermissionDenied);
  }
}

TEST_F(Signatures, TheCardsPlatformCounts) {
  TrustPolicy policy = trusting(ours_);
  policy.platform = kEmulatedPlatform.xrt_name;
  EXPECT_TRUE(load(signed_by(manifest_, ours_), policy).ok());
  policy.platform = "xilinx_u55c_gen3x16_xdma_base_3";
  EXPECT_THAT(
      std::string(load(signed_by(manifest_, ours_), policy).message()),
      HasSubstr("a.manifest: platform: phalanx_emulated_card_1, but the card is xilinx_u55c_gen3x16_xdma_base_3"));
}

TEST(ManifestText, IsReadAsItWasWritten) {
  const KeyPair keys = make_keys();
  const Manifest manifest = signed_by(manifest_of("any"), keys);
  const auto read = parse_manifest(render(manifest), "m");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, manifest);
}

TEST(ManifestText, WithAnythingElseInItIsRefused) {
  const std::string good = render(manifest_of("any"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return std::string(parse_manifest(text, "m").status().message());
  };
  EXPECT_THAT(with("\"platform\"", "\"plattform\""), HasSubstr("m: JSON: "));
  EXPECT_THAT(with("\"format\": 1", "\"format\": 2"), HasSubstr("m: format: 2, this program reads 1"));
  EXPECT_THAT(with("\"abi_version\": ", "\"abi_version\": -"), HasSubstr("m: JSON: "));
  EXPECT_THAT(with("}\n", ""), HasSubstr("m: JSON: "));
  EXPECT_THAT(std::string(parse_manifest(std::string(kManifestBytesMax + 1, ' '), "m").status().message()),
              HasSubstr("m: size: "));
  EXPECT_FALSE(parse_manifest("", "m").ok());
}

TEST(Keys, OfAFileAreAllTaken) {
  const KeyPair a = make_keys();
  const KeyPair b = make_keys();
  const auto keys = parse_public_keys("a comment\n" + a.public_pem + b.public_pem, "keys.pem");
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(keys->size(), 2);
  EXPECT_NE(keys->at(0).id(), keys->at(1).id());
}

TEST(Keys, OfAnotherKindOrDamagedAreRefused) {
  const KeyPair good = make_keys();
  const KeyPair other = make_keys("X25519");
  std::string damaged = good.public_pem;
  damaged.insert(40, "AAAA");
  const auto message = [](const std::string& pem) {
    return std::string(parse_public_keys(pem, "keys.pem").status().message());
  };
  EXPECT_THAT(message(other.public_pem), HasSubstr("keys.pem: key: not an Ed25519 key"));
  EXPECT_THAT(message(good.public_pem + damaged), HasSubstr("keys.pem: key: is damaged"));
  EXPECT_THAT(message(good.private_pem), HasSubstr("keys.pem: key: not a public key"));
  EXPECT_THAT(message(""), HasSubstr("keys.pem: no PEM public key"));
  std::string many;
  for (size_t i = 0; i <= kTrustedKeysMax; ++i) many += good.public_pem;
  EXPECT_THAT(message(many), HasSubstr("keys.pem: more than 64 keys"));
  EXPECT_FALSE(sign("text", other.private_pem, "key.pem").ok());
  EXPECT_FALSE(sign("text", good.public_pem, "key.pem").ok());
}

// RFC 8032, section 7.1, test 2.
TEST(Keys, VerifyAsTheStandardSays) {
  const auto raw = [](const char* hex) { return absl::HexStringToBytes(hex); };
  PublicKey key{};
  const std::string bytes = raw("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
  std::array<uint8_t, kSignatureBytes> signature{};
  const std::string signed_bytes =
      raw("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  std::copy(signed_bytes.begin(), signed_bytes.end(), signature.begin());
  EXPECT_TRUE(verify("\x72", key, signature));
  EXPECT_FALSE(verify("\x73", key, signature));
}

}  // namespace
}  // namespace phalanx::bitstream::test
