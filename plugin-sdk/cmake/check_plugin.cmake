# SPDX-License-Identifier: Apache-2.0
#
# cmake -DPLUGIN=file.so [-DNM=nm] [-DREADELF=readelf] -P check_plugin.cmake
#
# Fails with one sentence unless the plugin exports attnrt_plugin_query alone and carries the attnrt note and a build id.
cmake_minimum_required(VERSION 3.22)
if(NOT NM)
  set(NM nm)
endif()
if(NOT READELF)
  set(READELF readelf)
endif()

execute_process(COMMAND ${NM} -D --defined-only ${PLUGIN} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
set(exported)
foreach(line IN LISTS lines)
  string(REGEX REPLACE "^.* " "" symbol "${line}")
  list(APPEND exported "${symbol}")
endforeach()
if(NOT "attnrt_plugin_query" IN_LIST exported)
  message(FATAL_ERROR "${PLUGIN} does not export attnrt_plugin_query, wanted ATTNRT_EXPORT_PLUGIN(table, name, version) "
                      "in one of its sources")
endif()
list(REMOVE_ITEM exported attnrt_plugin_query)
if(exported)
  list(LENGTH exported count)
  list(SUBLIST exported 0 5 some)
  list(JOIN some ", " some)
  message(FATAL_ERROR "${PLUGIN} exports ${count} symbols beside attnrt_plugin_query (${some}), wanted none: link it with "
                      "plugin.map")
endif()

execute_process(COMMAND ${READELF} -W --notes ${PLUGIN} OUTPUT_VARIABLE notes ERROR_QUIET)
if(NOT notes MATCHES "\n +attnrt +0x")
  message(FATAL_ERROR "${PLUGIN} has no attnrt note, wanted ATTNRT_EXPORT_PLUGIN(table, name, version) in one of its sources")
endif()
if(NOT notes MATCHES "NT_GNU_BUILD_ID")
  message(FATAL_ERROR "${PLUGIN} has no build id, wanted it linked with --build-id")
endif()
