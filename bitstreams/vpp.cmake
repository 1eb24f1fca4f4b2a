# phalanx_vpp_bitstream(PLATFORM xclbin-tool): how v++ (AMD UG1393) makes the bitstream of a card, phalanx-PLATFORM.xclbin
# with its manifest: each kernel is compiled by itself to an .xo, then all are linked with the platform's connectivity,
# platforms/PLATFORM.cfg. Target phalanx_bitstream_PLATFORM; it takes hours, so it is not part of `all`.
#
#   PHALANX_VPP_TARGET      hw (default) or hw_emu
#   PHALANX_VPP_CLOCK_HZ    the kernels' clock, 300 MHz unless said otherwise
#
# Needs PHALANX_KERNEL_NAMES and PHALANX_ROOT (the tree). This file is also what tests/unit/bitstream/vpp runs with a
# stand-in for v++.
set(PHALANX_VPP_TARGET hw CACHE STRING "What v++ builds: hw or hw_emu")
set_property(CACHE PHALANX_VPP_TARGET PROPERTY STRINGS hw hw_emu)
set(PHALANX_VPP_CLOCK_HZ 300000000 CACHE STRING "Clock of the kernels on the card, Hz")

# The platform's name at v++, from its .cfg; an error that names the platforms there are.
function(phalanx_vpp_platform platform result)
  set(config ${PHALANX_ROOT}/bitstreams/platforms/${platform}.cfg)
  if(NOT EXISTS ${config})
    file(GLOB known RELATIVE ${PHALANX_ROOT}/bitstreams/platforms ${PHALANX_ROOT}/bitstreams/platforms/*.cfg)
    list(TRANSFORM known REPLACE "\\.cfg$" "")
    list(JOIN known ", " known)
    message(FATAL_ERROR "PHALANX_PLATFORM=${platform}: there is no such platform; known are ${known}")
  endif()
  file(STRINGS ${config} line REGEX "^platform=")
  string(REGEX REPLACE "^platform=" "" line "${line}")
  if(line STREQUAL "")
    message(FATAL_ERROR "${config}: no line platform=")
  endif()
  set(${result} ${line} PARENT_SCOPE)
endfunction()

function(phalanx_vpp_bitstream platform tool)
  phalanx_vpp_platform(${platform} vpp_platform)
  if(NOT PHALANX_VPP_TARGET MATCHES "^(hw|hw_emu)$")
    message(FATAL_ERROR "PHALANX_VPP_TARGET=${PHALANX_VPP_TARGET}: it is hw or hw_emu")
  endif()
  find_program(PHALANX_VPP v++)
  if(NOT PHALANX_VPP)
    message(FATAL_ERROR "PHALANX_PLATFORM=${platform} needs v++ on the PATH: source settings64.sh of Vitis first")
  endif()
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${platform}-${PHALANX_VPP_TARGET})
  file(MAKE_DIRECTORY ${out})
  set(common --target ${PHALANX_VPP_TARGET} --platform ${vpp_platform} --save-temps --temp_dir ${out}/temp
             --log_dir ${out}/logs --report_dir ${out}/reports)
  set(objects)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${PHALANX_ROOT}/hls/*.hpp ${PHALANX_ROOT}/kernels/*.hpp)
  foreach(kernel IN LISTS PHALANX_KERNEL_NAMES)
    set(source ${PHALANX_ROOT}/kernels/${kernel}.cpp)
    add_custom_command(
      OUTPUT ${out}/${kernel}.xo
      COMMAND ${PHALANX_VPP} --compile ${common} --kernel ${kernel} --hls.clock ${PHALANX_VPP_CLOCK_HZ}:${kernel}
              "--advanced.prop=kernel.${kernel}.kernel_flags=-std=c++14" -I${PHALANX_ROOT} --output ${out}/${kernel}.xo
              ${source}
      DEPENDS ${source} ${headers} COMMENT "v++ compiles ${kernel} for ${platform}" VERBATIM)
    list(APPEND objects ${out}/${kernel}.xo)
  endforeach()
  set(config ${PHALANX_ROOT}/bitstreams/platforms/${platform}.cfg)
  set(bitstream ${out}/phalanx-${platform})
  add_custom_command(
    OUTPUT ${bitstream}.xclbin
    COMMAND ${PHALANX_VPP} --link ${common} --config ${config} --clock.defaultFreqHz ${PHALANX_VPP_CLOCK_HZ}
            --output ${bitstream}.xclbin ${objects}
    DEPENDS ${config} ${objects} COMMENT "v++ links phalanx-${platform}.xclbin" VERBATIM)
  # The manifest is refused, and so the build, if what v++ made is not what kernels/abi describes.
  add_custom_command(
    OUTPUT ${bitstream}.manifest
    COMMAND ${tool} manifest ${bitstream}.xclbin
    DEPENDS ${bitstream}.xclbin ${tool} COMMENT "Describing phalanx-${platform}.xclbin" VERBATIM)
  add_custom_target(phalanx_bitstream_${platform} DEPENDS ${bitstream}.manifest)
endfunction()
