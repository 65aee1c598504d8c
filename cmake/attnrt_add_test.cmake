# SPDX-License-Identifier: Apache-2.0
#
# attnrt_add_test(NAME SOURCES file... [LINK library...] [TIMEOUT seconds] [APART file...] [WHOLE])
#
# A Catch2 program; each of its test cases becomes a CTest test "NAME: case". WHOLE makes one test of the whole program,
# for grids whose cases are many. APART as of attnrt_together(). Names start with the preset's ATTNRT_TEST_PREFIX, so that several trees may be tested in
# one run.
find_package(Catch2 REQUIRED)
include(Catch)

if(NOT TARGET Catch2::Catch2WithMain)
  add_library(attnrt_catch_main STATIC ${CMAKE_CURRENT_LIST_DIR}/catch_main.cpp)
  target_link_libraries(attnrt_catch_main PUBLIC Catch2::Catch2)
  add_library(Catch2::Catch2WithMain ALIAS attnrt_catch_main)
endif()

# Sanitized programs take their time; a limit stands for a test that hangs.
set(ATTNRT_TEST_PATIENCE 1)
if(ATTNRT_SANITIZE)
  set(ATTNRT_TEST_PATIENCE 4)
endif()

function(attnrt_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "WHOLE" "TIMEOUT" "SOURCES;LINK;APART")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * ${ATTNRT_TEST_PATIENCE}")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE Catch2::Catch2WithMain ${arg_LINK})
  attnrt_together(${name} APART ${arg_APART})
  target_compile_definitions(${name} PRIVATE ATTNRT_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
                                             ATTNRT_TEST_PLUGINS="${ATTNRT_PLUGIN_OUTPUT_DIRECTORY}")
  if(arg_WHOLE)
    add_test(NAME ${ATTNRT_TEST_PREFIX}${name} COMMAND ${name})
    set_tests_properties(${ATTNRT_TEST_PREFIX}${name} PROPERTIES TIMEOUT ${arg_TIMEOUT})
  else()
    catch_discover_tests(${name} TEST_PREFIX "${ATTNRT_TEST_PREFIX}${name}: " PROPERTIES TIMEOUT ${arg_TIMEOUT})
  endif()
endfunction()
