# The project's way to declare a library, a program and a test: every source file of a folder belongs to its target, warnings
# are errors, and includes are written from the top of the tree ("host/packet/parser.hpp").

add_library(phalanx_flags INTERFACE)
target_include_directories(phalanx_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(phalanx_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                               -Wnon-virtual-dtor -Werror -fno-omit-frame-pointer)
# g++ 12 sees vectors written out of bounds where inlining at -O3 has only lost their size (GCC bug 105329 and its kin).
target_compile_options(phalanx_flags INTERFACE $<$<CONFIG:Release>:-Wno-array-bounds -Wno-stringop-overflow
                                               -Wno-stringop-overread -Wno-restrict>)

# phalanx_library(NAME DEPS...): a static library of every *.cpp of the current folder, or an interface one if it has none.
function(phalanx_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC phalanx_flags ${ARGN})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE phalanx_flags ${ARGN})
  endif()
endfunction()

# phalanx_test(FOLDER LABEL DEPS...): one test program of every *.cpp of FOLDER, under GoogleTest, known to ctest by file.
function(phalanx_test folder label)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()
  set(name ${label}_${folder})
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE phalanx_flags ${ARGN} GTest::gmock GTest::gtest_main Threads::Threads)
  target_precompile_headers(${name} PRIVATE <gtest/gtest.h> <gmock/gmock.h> <vector> <string> <cstdint>)
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 300)
endfunction()
