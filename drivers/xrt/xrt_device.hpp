// A card by XRT's native API: the emulated one (XCL_EMULATION_MODE) or a real one.
#ifndef PHALANX_DRIVERS_XRT_XRT_DEVICE_HPP
#define PHALANX_DRIVERS_XRT_XRT_DEVICE_HPP

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "drivers/card_driver/device.hpp"
#include "drivers/card_driver/environment_check.hpp"

namespace phalanx {

// Opens `device` (a PCIe address such as 0000:65:00.1, or an index) and loads the bitstream, which has to have been
// checked: XRT crashes on a bad one. The environment is checked here (FailedPrecondition). What XRT throws comes back
// as Unavailable with the name of the call.
absl::StatusOr<std::shared_ptr<card_driver::Device>> open_xrt_device(const std::string& device,
                                                                     const card_driver::LoadedBitstream& bitstream);

}  // namespace phalanx

#endif
