#include "tests/cavp/vectors.hpp"

#include <fstream>

namespace phalanx {
namespace {

std::vector<uint8_t> from_hex(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace

std::vector<GcmVector> read_gcm_vectors(const std::string& file) {
  std::vector<GcmVector> vectors;
  std::ifstream in(std::string(PHALANX_GCM_VECTORS) + "/" + file);
  std::map<std::string, std::vector<uint8_t>> fields;
  bool fails = false;
  int number = 0, begun = 0;
  const auto finish = [&] {
    if (!fields.empty() && fields["IV"].size() == 12) {
      vectors.push_back({file + ":" + std::to_string(begun), fields["Key"], fields["IV"], fields["AAD"], fields["PT"],
                         fields["CT"], fields["Tag"], fails});
    }
    fields.clear();
    fails = false;
  };
  for (std::string line; std::getline(in, line);) {
    ++number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    const size_t equals = line.find(" =");
    if (line == "FAIL") fails = true;
    if (line.empty() || line[0] == '#' || line[0] == '[' || equals == std::string::npos) continue;
    const std::string name = line.substr(0, equals);
    if (name == "Count") {
      finish();
      begun = number;
      continue;
    }
    fields[name] = from_hex(line.size() > equals + 3 ? line.substr(equals + 3) : "");
  }
  finish();
  return vectors;
}

}  // namespace phalanx
