// An xclbin's container ("axlf", xclbin.h of XRT): header and section table, checked; sections as bytes.
#ifndef PHALANX_DRIVERS_BITSTREAM_CONTAINER_HPP
#define PHALANX_DRIVERS_BITSTREAM_CONTAINER_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "drivers/bitstream/contents.hpp"

namespace phalanx::bitstream {

inline constexpr size_t kSectionsMax = 256;  // v++ writes some 20

struct Section {
  uint32_t kind = 0;  // axlf_section_kind
  std::string name;
  std::string_view bytes;
};

struct Container {
  BuildTarget target = BuildTarget::kHw;
  std::string platform;
  std::string uuid;
  std::vector<Section> sections;  // in the order of the table

  // The first of that kind; null if there is none.
  const Section* find(uint32_t kind) const;
};

// Views into `xclbin`. DataLoss that names file, field and reason.
absl::StatusOr<Container> parse_container(std::string_view xclbin, std::string_view file);

}  // namespace phalanx::bitstream

#endif
