// The kernels' XML of an xclbin (section EMBEDDED_METADATA), compared with kernels/abi/ports.hpp.
#ifndef PHALANX_DRIVERS_BITSTREAM_METADATA_HPP
#define PHALANX_DRIVERS_BITSTREAM_METADATA_HPP

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "drivers/bitstream/contents.hpp"

namespace phalanx::bitstream {

inline constexpr size_t kComputeUnitsMax = 128;  // XRT's limit of a bitstream

// Of an m_axi bundle, as v++ names it: M_AXI_HOST0.
std::string port_name(std::string_view group);

// The compute units that the XML names, if its kernels are those of this tree with the same arguments in the same
// registers. DataLoss for XML that is none, FailedPrecondition for another ABI.
absl::StatusOr<std::vector<ComputeUnit>> check_metadata(std::string_view xml, std::string_view file);

}  // namespace phalanx::bitstream

#endif
