# SPDX-License-Identifier: Apache-2.0
#
# Every sh block of the SDK's README, in order, in one shell that stops at the first failure. The tree is built already,
# so the two build lines are left out and the install line names this build.
cmake_minimum_required(VERSION 3.22)

file(READ ${README} text)
set(script "set -eux\n")
while(TRUE)
  string(FIND "${text}" "\n```sh\n" at)
  if(at EQUAL -1)
    break()
  endif()
  math(EXPR at "${at} + 7")
  string(SUBSTRING "${text}" ${at} -1 text)
  string(FIND "${text}" "\n```" end)
  string(SUBSTRING "${text}" 0 ${end} block)
  string(APPEND script "${block}\n")
endwhile()
string(REPLACE "cmake --preset release && cmake --build --preset release\n" "" script "${script}")
string(REPLACE "build/release" "${BUILD}" script "${script}")
if(NOT script MATCHES "attnrt run .*--attention-backend MY_ATTN")
  message(FATAL_ERROR "${README} has no sh blocks that end with a run of the new backend")
endif()

file(REMOVE_RECURSE ${WORK})
file(WRITE ${WORK}/commands.sh "${script}")
execute_process(
  COMMAND ${CMAKE_COMMAND} -E env --unset=ATTNRT_PLUGIN_PATH HOME=${WORK} CMAKE_GENERATOR=Ninja
          CXX=${COMPILER} bash ${WORK}/commands.sh
  WORKING_DIRECTORY ${SOURCE} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "exit status ${status} in ${WORK}/commands.sh\n${out}\n${err}")
endif()
