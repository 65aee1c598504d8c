# SPDX-License-Identifier: Apache-2.0
#
# libattnrt.so shows the C API and nothing else, and brings no library that an engine may have in another version.
cmake_minimum_required(VERSION 3.22)

execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
set(others ${lines})
list(FILTER others EXCLUDE REGEX " attnrt_[a-z_]+$")
if(others)
  message(FATAL_ERROR "${LIBRARY} exports more than attnrt_*: ${others}")
endif()
list(FILTER lines INCLUDE REGEX " attnrt_open$")
if(NOT lines)
  message(FATAL_ERROR "${LIBRARY} does not export attnrt_open")
endif()

execute_process(COMMAND ${READELF} -d ${LIBRARY} OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "Shared library: .[^]]+" needed "${dynamic}")
list(FILTER needed EXCLUDE REGEX "lib(stdc\\+\\+|gcc_s|m|c)\\.so|ld-linux")
if(needed)
  message(FATAL_ERROR "${LIBRARY} needs ${needed}, wanted the C and C++ runtimes alone")
endif()
