// A card by OpenCL (Xilinx's, through ocl-icd): the same bitstream and the same Device as drivers/xrt.
#ifndef PHALANX_DRIVERS_OPENCL_OPENCL_DEVICE_HPP
#define PHALANX_DRIVERS_OPENCL_OPENCL_DEVICE_HPP

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "drivers/card_driver/device.hpp"
#include "drivers/card_driver/environment_check.hpp"

namespace phalanx {

// As open_xrt_device. NotFound, with what there is, if no Xilinx platform has a card of that address or index.
absl::StatusOr<std::shared_ptr<card_driver::Device>> open_opencl_device(const std::string& device,
                                                                        const card_driver::LoadedBitstream& bitstream);

}  // namespace phalanx

#endif
