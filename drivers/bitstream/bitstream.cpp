#include "drivers/bitstream/bitstream.hpp"

namespace phalanx::bitstream {

std::string manifest_path(std::string_view xclbin_path) {
  constexpr std::string_view kSuffix = ".xclbin";
  if (xclbin_path.ends_with(kSuffix)) xclbin_path.remove_suffix(kSuffix.size());
  return std::string(xclbin_path) + ".manifest";
}

}  // namespace phalanx::bitstream
