// phalanx-xclbin: makes, describes bitstreams. Exit status 0: done; 1: refused, with the reason on
// stderr; others: CLI11's, for a command line that is none.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>

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

// The emulated card's bitstream: xclbin and manifest.
absl::Status write_emulated(const std::string& library, const std::string& output) {
  const absl::StatusOr<std::string> object = read_file(library);
  if (!object.ok()) return object.status();
  const std::string xclbin =
      assemble(BuildTarget::kSwEmu, kEmulatedPlatform.xrt_name, emulation_sections(*object, kKernels));
  if (absl::Status status = write_file(output, xclbin); !status.ok()) return status;
  return write_file(manifest_path(output), render(describe(xclbin, kEmulatedPlatform.xrt_name)));
}

}  // namespace
}  // namespace phalanx::bitstream

int main(int argc, char** argv) {
  using namespace phalanx::bitstream;  // NOLINT(google-build-using-namespace): the program's own
  CLI::App app{"Makes, describes Phalanx bitstreams"};
  app.require_subcommand(1);
  std::string library, output;

  CLI::App* write = app.add_subcommand("write", "Write the emulated card's bitstream and its manifest");
  write->add_option("--library", library, "Shared object with the kernels")->required();
  write->add_option("--output", output, "NAME.xclbin")->required();
  CLI::App* config = app.add_subcommand("emconfig", "Write the emulated card's emconfig.json");
  config->add_option("--output", output, "emconfig.json")->required();
  CLI11_PARSE(app, argc, argv);

  const absl::Status status = *write ? write_emulated(library, output) : write_file(output, emulation_config());
  if (status.ok()) return 0;
  std::fprintf(stderr, "phalanx-xclbin: %s\n", std::string(status.message()).c_str());
  return 1;
}
