# What the tests of bitstreams judge and who judges it beside them: the build's own bitstream, and XRT's parser.
target_compile_definitions(unit_bitstream PRIVATE
  PHALANX_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
  PHALANX_BUILT_XCLBIN="${CMAKE_BINARY_DIR}/bitstreams/phalanx-sw_emu.xclbin"
  PHALANX_BUILT_OBJECT="$<TARGET_FILE:phalanx_kernels_sw_emu>")
target_include_directories(unit_bitstream SYSTEM PRIVATE /usr/include/xrt)
target_link_libraries(unit_bitstream PRIVATE xrt_coreutil uuid ${CMAKE_DL_LIBS})
add_dependencies(unit_bitstream phalanx_bitstream_sw_emu)
# The v++ recipe with a stand-in for v++, and the tool's verbs.
add_test(NAME unit_bitstream_vpp
         COMMAND /usr/bin/python3 -B ${CMAKE_SOURCE_DIR}/tests/unit/bitstream/vpp/vpp_test.py --source ${CMAKE_SOURCE_DIR}
                 --tool $<TARGET_FILE:phalanx-xclbin> --xclbin ${CMAKE_BINARY_DIR}/bitstreams/phalanx-sw_emu.xclbin)
set_tests_properties(unit_bitstream_vpp PROPERTIES LABELS unit TIMEOUT 300)
# With sanitizers g++ 12 warns of its own <regex> (GCC bug 105562).
set_source_files_properties(bitstream/platform_test.cpp PROPERTIES COMPILE_OPTIONS -Wno-maybe-uninitialized)
