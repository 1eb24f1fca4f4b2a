// phalanx-xclbin: makes, describes, signs and checks bitstreams. Exit status 0: done; 1: refused, with the reason on
// stderr; others: CLI11's, for a command line that is none.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "bitstreams/xclbin_writer/xclbin_file.hpp"
#include "drivers/bitstream/bitstream.hpp"

namespace phalanx::bitstream {
namespace {

absl::StatusOr<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(path + ": cannot be read");
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

absl::Status write_file(const std::string& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  return out ? absl::OkStatus() : absl::UnavailableError(path + ": cannot be written");
}

// The manifest of what a driver would take.
absl::Status write_manifest(const std::string& xclbin_path) {
  const absl::StatusOr<std::string> xclbin = read_file(xclbin_path);
  if (!xclbin.ok()) return xclbin.status();
  const absl::StatusOr<Contents> contents = check_contents(*xclbin, xclbin_path);
  if (!contents.ok()) return contents.status();
  return write_file(manifest_path(xclbin_path), render(describe(*xclbin, *contents)));
}

// The emulated card's bitstream: xclbin and manifest.
absl::Status write_emulated(const std::string& library, const std::string& output) {
  const absl::StatusOr<std::string> object = read_file(library);
  if (!object.ok()) return object.status();
  const std::string xclbin =
      assemble(BuildTarget::kSwEmu, kEmulatedPlatform.xrt_name, emulation_sections(*object, kKernels));
  if (absl::Status status = write_file(output, xclbin); !status.ok()) return status;
  return write_manifest(output);
}

absl::Status sign_manifest(const std::string& xclbin_path, const std::string& key_path) {
  const std::string path = manifest_path(xclbin_path);
  const absl::StatusOr<std::string> json = read_file(path);
  if (!json.ok()) return json.status();
  absl::StatusOr<Manifest> manifest = parse_manifest(*json, path);
  if (!manifest.ok()) return manifest.status();
  // Nobody should sign what would be refused.
  const absl::StatusOr<std::string> xclbin = read_file(xclbin_path);
  if (!xclbin.ok()) return xclbin.status();
  manifest->signer.clear();
  manifest->signature.clear();
  const absl::StatusOr<Bitstream> checked = load_bitstream(
      xclbin_path, *xclbin, render(*manifest), TrustPolicy{.allow_unsigned = true, .keys = {}, .platform = {}});
  if (!checked.ok()) return checked.status();
  const absl::StatusOr<std::string> key = read_file(key_path);
  if (!key.ok()) return key.status();
  const absl::StatusOr<Signature> signature = sign(canonical_text(*manifest), *key, key_path);
  if (!signature.ok()) return signature.status();
  manifest->signer = signature->signer;
  manifest->signature = absl::BytesToHexString(
      std::string(reinterpret_cast<const char*>(signature->bytes.data()), signature->bytes.size()));
  return write_file(path, render(*manifest));
}

void print(const Bitstream& bitstream) {
  const Contents& contents = bitstream.contents;
  const Manifest& manifest = bitstream.manifest;
  std::printf("file       %s, %zu bytes\nsha256     %s\nuuid       %s\ntarget     %s\nplatform   %s\nABI        %u\n",
              bitstream.file.c_str(), bitstream.xclbin.size(), manifest.xclbin_sha256.c_str(), contents.uuid.c_str(),
              std::string(to_text(contents.target)).c_str(), manifest.platform.c_str(), manifest.abi_version);
  std::printf("signature  %s%s\n", manifest.is_signed() ? "by " : "none", manifest.signer.c_str());
  if (manifest.is_signed()) std::printf("trusted    %s\n", bitstream.trusted ? "yes" : "no: the key is not known");
  for (const ManifestKernel& kernel : manifest.kernels) {
    std::printf("kernel     %s, version %u\n", kernel.name.c_str(), kernel.version);
  }
  for (const ComputeUnit& unit : contents.compute_units) {
    std::printf("unit       %s:%s at 0x%llx\n", unit.kernel.c_str(), unit.name.c_str(),
                static_cast<unsigned long long>(unit.base));
  }
  for (const MemoryBank& bank : contents.banks) {
    std::printf("bank       %s, %llu MiB%s\n", bank.tag.c_str(), static_cast<unsigned long long>(bank.bytes >> 20),
                bank.used ? "" : ", not used");
  }
}

// With keys, the signature has to be one of theirs; without, anything sound is shown.
absl::Status inspect(const std::string& xclbin_path, const std::string& keys_path) {
  TrustPolicy policy;
  policy.allow_unsigned = keys_path.empty();
  if (!keys_path.empty()) {
    absl::StatusOr<std::vector<PublicKey>> keys = read_public_keys(keys_path);
    if (!keys.ok()) return keys.status();
    policy.keys = *std::move(keys);
  }
  const absl::StatusOr<Bitstream> bitstream = load_bitstream(xclbin_path, policy);
  if (!bitstream.ok()) return bitstream.status();
  print(*bitstream);
  return absl::OkStatus();
}

}  // namespace
}  // namespace phalanx::bitstream

int main(int argc, char** argv) {
  using namespace phalanx::bitstream;  // NOLINT(google-build-using-namespace): the program's own
  CLI::App app{"Makes, describes, signs and checks Phalanx bitstreams"};
  app.require_subcommand(1);
  std::string library, xclbin, output, key;

  CLI::App* write = app.add_subcommand("write", "Write the emulated card's bitstream and its manifest");
  write->add_option("--library", library, "Shared object with the kernels")->required();
  write->add_option("--output", output, "NAME.xclbin")->required();
  CLI::App* config = app.add_subcommand("emconfig", "Write the emulated card's emconfig.json");
  config->add_option("--output", output, "emconfig.json")->required();
  CLI::App* manifest = app.add_subcommand("manifest", "Write the manifest of an xclbin, e.g. one that v++ made");
  manifest->add_option("xclbin", xclbin, "NAME.xclbin")->required();
  CLI::App* signing = app.add_subcommand("sign", "Sign the manifest of an xclbin");
  signing->add_option("--key", key, "Ed25519 private key, PEM")->required();
  signing->add_option("xclbin", xclbin, "NAME.xclbin")->required();
  CLI::App* inspecting = app.add_subcommand("inspect", "Check a bitstream as a driver does and show what it is");
  inspecting->add_option("--keys", key, "Trusted public keys, PEM: refuse what none of them has signed");
  inspecting->add_option("xclbin", xclbin, "NAME.xclbin")->required();
  CLI11_PARSE(app, argc, argv);

  const absl::Status status = *write      ? write_emulated(library, output)
                              : *config   ? write_file(output, emulation_config())
                              : *manifest ? write_manifest(xclbin)
                              : *signing  ? sign_manifest(xclbin, key)
                                          : inspect(xclbin, key);
  if (status.ok()) return 0;
  std::fprintf(stderr, "phalanx-xclbin: %s\n", std::string(status.message()).c_str());
  return 1;
}
