# SPDX-License-Identifier: Apache-2.0
# find_package(attnrt): the targets attnrt::attnrt and attnrt::plugin_sdk, attnrt_add_plugin() and
# attnrt_add_conformance_test().
include(CMakeFindDependencyMacro)
find_dependency(attnrt_plugin_sdk CONFIG HINTS ${CMAKE_CURRENT_LIST_DIR}/../attnrt_plugin_sdk)
include(${CMAKE_CURRENT_LIST_DIR}/attnrtTargets.cmake)
